"""The staff door: job pages, and the action a site adds to its own ModelAdmin."""

from django_hili.admin.batches import PhotoBatchAdmin
from django_hili.admin.cases import CaseAdmin, IncidentAdmin
from django_hili.admin.enhance import EnhancePhotosMixin
from django_hili.admin.evidence import DisclosureAdmin, ReceiptAdmin
from django_hili.admin.jobs import PhotoJobAdmin
from django_hili.admin.providers import ProviderStateAdmin

__all__ = [
    "CaseAdmin",
    "DisclosureAdmin",
    "EnhancePhotosMixin",
    "IncidentAdmin",
    "PhotoBatchAdmin",
    "PhotoJobAdmin",
    "ProviderStateAdmin",
    "ReceiptAdmin",
]
