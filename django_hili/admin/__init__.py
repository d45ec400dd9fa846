"""The staff door: job pages, and the action a site adds to its own ModelAdmin."""

from django_hili.admin.batches import PhotoBatchAdmin
from django_hili.admin.enhance import EnhancePhotosMixin
from django_hili.admin.jobs import PhotoJobAdmin

__all__ = ["EnhancePhotosMixin", "PhotoBatchAdmin", "PhotoJobAdmin"]
