"""Ends the service: no more photos, everybody told, everything erased, receipts left.

One verb that may be called again after a crash and goes on where it stopped.
Clauses C23: AIART-4.1b, PIXEL-8.2, MIAO-5.4.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import F
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import WrongStateError
from django_hili.media.keys import destroy_all_keys
from django_hili.models import (
    AgeBand,
    Case,
    CaseKind,
    Closure,
    EraseCause,
    Erasure,
    Handover,
    IdempotencyKey,
    Media,
    MessageKind,
    PhotoBatch,
    PhotoJob,
    Subject,
)
from django_hili.privacy.erasure import stores
from django_hili.privacy.erasure.erase import condemn, erase_condemned
from django_hili.privacy.evidence.noting import note, noting
from django_hili.privacy.rights.messages import deliver, queue_messages

CLOSURE = "closure"


@dataclass(frozen=True, slots=True)
class WindDownReport:
    """What one call did, and what is still there."""

    is_intake_closed: bool
    messages: int
    """Queued by this call."""
    photos: int
    jobs: int
    keys: int
    remaining: int
    """Files that could not be deleted yet, which nobody can read without their keys, and stores
    of the site that have not erased yet."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left."""
        return self.remaining == 0


def refuse_if_ended() -> None:
    """Raise `WrongStateError` once the service has been ended."""
    if Closure.objects.is_closed():
        raise WrongStateError(Code.SERVICE_ENDED)


def wind_down(*, now: dt.datetime | None = None) -> WindDownReport:
    """End the service. People are told before what leads to them is cut."""
    now = now or timezone.now()
    with noting():
        if Closure.objects.begin(now):
            note("wind_down", CLOSURE, step="intake_closed")
    keys = Subject.objects.exclude(user_key=None).order_by("ref").values_list("user_key", flat=True)
    messages = queue_messages(
        (key or "" for key in keys), kind=MessageKind.WIND_DOWN, now=now
    )  # fmt: skip
    deliver(now)
    photos, jobs = _condemn_everything(now)
    destroyed = destroy_all_keys()
    erase_condemned()
    stores.erase_elsewhere(now)
    remaining = Media.objects.count() + Erasure.objects.count()
    if not remaining:
        with noting():
            if Closure.objects.finish(now):
                note("wind_down", CLOSURE, step="empty")
    return WindDownReport(
        is_intake_closed=Closure.objects.is_closed(), messages=messages, photos=photos, jobs=jobs,
        keys=destroyed, remaining=remaining,
    )  # fmt: skip


def _condemn_everything(now: dt.datetime) -> tuple[int, int]:
    with noting():
        # Uploads under way hold the rows of their people: they end first, or find nobody.
        Subject.objects.exclude(user_key=None).update(revision=F("revision") + 1)
        photos = condemn(Media.objects.all(), EraseCause.WIND_DOWN, now)
        jobs = PhotoJob.objects.all().delete()[0]
        PhotoBatch.objects.all().delete()
        Handover.objects.all().delete()
        IdempotencyKey.objects.all().delete()
        Case.objects.exclude(kind=CaseKind.INCIDENT).delete()
        _sever_everybody(now)
        if photos or jobs:
            note("wind_down", CLOSURE, step="condemned")
    return photos, jobs


def _sever_everybody(now: dt.datetime) -> None:
    linked = Subject.objects.exclude(user_key=None)
    if stores.registered():
        for ref, user_key in linked.values_list("ref", "user_key").iterator(chunk_size=500):
            scope = stores.Scope(subject_ref=ref, user_key=user_key or "")
            stores.decide(scope, cause=EraseCause.WIND_DOWN, now=now)
    linked.update(user_key=None, age_band=AgeBand.UNKNOWN, region="")
