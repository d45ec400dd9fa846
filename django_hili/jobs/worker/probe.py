"""Asks a remote provider whether copies past their time are gone.

Owns the question, and whether there is one; what an answer means is
`privacy.erasure.vendor_copies`'.
Clauses C19: HILI-API-7, PIXEL-6.2b.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from django.utils import timezone

from django_hili.exceptions import ProviderError
from django_hili.jobs.moves import reconcile
from django_hili.jobs.worker.desk import Desk
from django_hili.models import HeldReason, JobStatus, PhotoJob
from django_hili.privacy.erasure import vendor_copies
from django_hili.privacy.erasure.vendor_copies import Due, Heard
from django_hili.providers.remote import RemoteProvider, RemoteStage, RemoteState


def has_questions(*, now: dt.datetime) -> bool:
    """Whether a vendor has to be asked something although no job is due.

    What became of a copy past its time, or how many credits are left where that settles a doubt.
    """
    if vendor_copies.are_due(now):
        return True
    waiting = PhotoJob.objects.filter(
        status=JobStatus.HELD, held_reason=HeldReason.SEND_UNKNOWN
    ).order_by()
    aliases = waiting.values_list("provider", flat=True).distinct()
    return any(reconcile.wants_a_count(provider=alias) for alias in aliases)


async def probe_copies(desk: Desk, provider: RemoteProvider) -> int:
    """Ask about as many due copies as one call takes. Returns how many were asked about."""
    due: list[Due] = await desk.rows(
        vendor_copies.due_copies,
        provider=provider.alias,
        limit=provider.handles_per_call,
        now=timezone.now(),
    )
    if not due:
        return 0
    try:
        states = await provider.states(list(dict.fromkeys(copy.handle for copy in due)))
    except ProviderError:
        states = {}
    heard = {copy.send_id: read_answer(states, copy.handle) for copy in due}
    await desk.rows(vendor_copies.note_answers, heard=heard, now=timezone.now())
    return len(due)


def read_answer(states: Mapping[str, RemoteState | ProviderError], handle: str) -> Heard:
    """Return what an answer says about a copy. A failed photo says nothing about its source."""
    state = states.get(handle)
    if not isinstance(state, RemoteState) or state.stage is RemoteStage.FAILED:
        return Heard.NOTHING
    return Heard.GONE if state.stage is RemoteStage.GONE else Heard.SERVED
