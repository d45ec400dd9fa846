"""The two ledgers in the admin: who got which kinds of data, and what was proved. Read only.

Neither holds a name, a file name or a photo; what leads to a job is its random id.
Clauses C13: HILI-0.5, AIART-3.3b. C28: PIXEL-4.2, MIAO-7.3c.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db import models
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from django_hili.admin.filters import BasisFilter, ColumnFilter, ProviderFilter
from django_hili.admin.readonly import ReadOnlyAdmin
from django_hili.models import (
    Basis,
    CaseKind,
    CaseOutcome,
    Disclosure,
    EraseCause,
    ExtensionReason,
    GivenBy,
    MediaKind,
    Purpose,
    Receipt,
    RefusalGround,
    SendState,
    Severity,
    VendorCopy,
)
from django_hili.privacy.consent.wording import region_name
from django_hili.vocabulary import OPERATION_LABELS, Operation


@admin.register(Disclosure)
class DisclosureAdmin(ReadOnlyAdmin):
    """Every send: what went where, on what ground, what it cost, what became of the copy."""

    list_display = [
        "sent", "job_link", "provider", "what_was_sent", "state", "charged", "outcome",
    ]  # fmt: skip
    list_filter = ["intended_at", ProviderFilter, "state", "outcome", BasisFilter, "charged"]
    search_fields = ["=job__id"]
    ordering = ["-intended_at"]
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    fields = [
        "id", "job_link", "provider", "region_text", "processor_policy", "what_was_sent",
        "operations_text", "basis_text", "size", "state", "charged", "vendor_words",
        "intended_at", "passed_at", "answered_at", "vendor_due_at", "outcome", "outcome_at",
        "probes", "expires_at",
    ]  # fmt: skip

    @admin.display(description=_("intended"), ordering="intended_at")
    def sent(self, send: Disclosure) -> str:
        """When, short enough for a column."""
        return date_format(localtime(send.intended_at), "SHORT_DATETIME_FORMAT")

    @admin.display(description=_("what was sent"))
    def what_was_sent(self, send: Disclosure) -> str:
        """The kinds of data."""
        return ", ".join(str(ITEM_LABELS.get(item, item)) for item in send.items)

    @admin.display(description=_("region"))
    def region_text(self, send: Disclosure) -> str:
        """Where it went."""
        return region_name(send.region, get_language()) if send.region else "–"

    @admin.display(description=_("operations"))
    def operations_text(self, send: Disclosure) -> str:
        """What was asked for."""
        known = OPERATION_LABELS
        return ", ".join(
            str(known[Operation(op)]) if op in set(Operation) else op for op in send.operations
        )

    @admin.display(description=_("basis"))
    def basis_text(self, send: Disclosure) -> str:
        """On what ground."""
        return str(_value("basis", send.basis))

    @admin.display(description=_("job"))
    def job_link(self, send: Disclosure) -> str:
        """The job; its page is gone when its time is over, the send stays."""
        address = reverse("admin:django_hili_photojob_change", args=[send.job_id])
        return format_html('<a href="{}">{}</a>', address, str(send.job_id)[:8])


class KindFilter(ColumnFilter):
    """Receipts of one kind, by what the kind is called."""

    title = _("kind")
    parameter_name = "kind__exact"

    def choices_known(self) -> Iterable[tuple[str, Any]]:
        """Every kind there is."""
        return KIND_LABELS.items()


@admin.register(Receipt)
class ReceiptAdmin(ReadOnlyAdmin):
    """The chain, newest first; `hili_privacy audit` says whether it is whole."""

    list_display = ["number", "what", "facts_text", "noted", "short_object"]
    list_filter = [KindFilter]
    search_fields = ["=object_id"]
    ordering = ["-number"]
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    fields = ["number", "at", "what", "kind", "object_id", "facts_text", "facts_hashed", "previous",
              "hash"]  # fmt: skip

    @admin.display(description=_("what happened"), ordering="kind")
    def what(self, receipt: Receipt) -> str:
        """The kind, as it is called."""
        return str(KIND_LABELS.get(receipt.kind, receipt.kind))

    @admin.display(description=_("facts"))
    def facts_text(self, receipt: Receipt) -> str:
        """The facts in words."""
        facts: dict[str, Any] = json.loads(receipt.facts)
        found = [
            f"{FACT_LABELS.get(name, name)}: {_value(name, value)}" for name, value in facts.items()
        ]
        return " · ".join(found) or "–"

    @admin.display(description=_("facts, as they were hashed"))
    def facts_hashed(self, receipt: Receipt) -> str:
        """The facts to the letter: what the hash is made of."""
        return receipt.facts

    @admin.display(description=_("time"), ordering="number")
    def noted(self, receipt: Receipt) -> str:
        """When, short enough for a column."""
        return date_format(localtime(receipt.at), "SHORT_DATETIME_FORMAT")

    @admin.display(description=_("object"))
    def short_object(self, receipt: Receipt) -> str:
        """The first eight digits; the whole of it stands on the receipt's page."""
        return receipt.object_id[:8]


def _value(name: str, value: Any) -> str:
    """Return a fact as it is called, where it is of a closed list; else as it stands."""
    if name == "step" and str(value).removeprefix(_DRILL) in STEP_LABELS:
        label = str(STEP_LABELS[str(value).removeprefix(_DRILL)])
        return f"{_('Drill')} · {label}" if str(value).startswith(_DRILL) else label
    if name == "region" and value:
        return region_name(str(value), get_language())
    for choices in _CHOICES.get(name, ()):
        if value in choices.values:
            return str(choices(value).label)
    text = str(value)
    return f"{text[:8]}…" if len(text) > _LONGEST_VALUE else text


_DRILL = "drill_"
_LONGEST_VALUE = 24
"""Characters of a reference or a hash above which the list shows its beginning only."""
_CHOICES: dict[str, tuple[type[models.TextChoices], ...]] = {
    "kind": (MediaKind,),
    "cause": (EraseCause,),
    "state": (SendState,),
    "outcome": (VendorCopy, CaseOutcome),
    "purpose": (Purpose,),
    "by": (GivenBy,),
    "basis": (Basis,),
    "case_kind": (CaseKind,),
    "reason": (ExtensionReason,),
    "ground": (RefusalGround,),
    "severity": (Severity,),
}
ITEM_LABELS: dict[str, Any] = {
    "photo": _("photo"),
    "operations": _("operations"),
    "image_type": _("image type"),
}
"""What the kinds of data are called that a send may hold. A test holds it to what is written."""
KIND_LABELS: dict[str, Any] = {
    "erased": _("photo erased"),
    "store_erased": _("photo erased in a store of the site"),
    "store_given_up": _("a store of the site given up"),
    "photo_deleted": _("photo deleted by its person"),
    "send_intended": _("about to be sent"),
    "disclosed": _("sent to a provider"),
    "photo_seen": _("photo seen by staff"),
    "access_reviewed": _("list of who may see photos reviewed"),
    "keys_destroyed": _("keys destroyed"),
    "replayed": _("deletions repeated after a restore"),
    "consent_given": _("consent given"),
    "consent_withdrawn": _("consent withdrawn"),
    "minor_flagged": _("known to be a minor"),
    "result_kept_longer": _("result kept for longer"),
    "basis_named": _("ground named"),
    "policy_published": _("policy published"),
    "case_received": _("request received"),
    "case_verified": _("identity of who asks checked"),
    "case_extended": _("answer takes longer"),
    "case_closed": _("request answered"),
    "demand_answered": _("demand of an authority answered"),
    "data_exported": _("copy taken"),
    "handover_made": _("link to a copy made"),
    "handover_used": _("link to a copy used"),
    "corrected": _("data corrected"),
    "account_cancelled": _("everything about a person ended"),
    "incident": _("step in an incident"),
    "wind_down": _("step in ending the service"),
}
"""What each kind of receipt is called. A test holds it to the kinds there are."""
STEP_LABELS: dict[str, Any] = {
    "opened": _("opened"),
    "people_told": _("messages queued"),
    "announced": _("announced"),
    "authority_told": _("authority told"),
    "closed": _("closed"),
}
"""What the steps in an incident are called; a drill's have a word before them."""
FACT_LABELS: dict[str, Any] = {
    "kind": _("what"),
    "cause": _("cause"),
    "store": _("store"),
    "ground": _("ground"),
    "job": _("job"),
    "processor": _("processor"),
    "region": _("region"),
    "state": _("state"),
    "outcome": _("outcome"),
    "by": _("by"),
    "people": _("people"),
    "count": _("count"),
    "first": _("first"),
    "last": _("last"),
    "purpose": _("purpose"),
    "policy": _("policy version"),
    "basis": _("basis"),
    "reason": _("reason"),
    "profile": _("profile"),
    "number": _("number"),
    "digest": _("hash"),
    "case_kind": _("kind"),
    "scope": _("scope"),
    "rows": _("rows"),
    "jobs": _("jobs"),
    "step": _("step"),
    "severity": _("severity"),
}
