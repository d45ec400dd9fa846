"""Incidents: who is affected, what they are told, by when, and what must be there at the end.

Owns the steps opened → people told → announced → authority told → closed. Who is affected is read
from the rows, never typed in. A drill goes the same way, sends nothing and leaves a receipt.
Clauses C34: HILI-5f, AIART-4.2.6a, AIART-4.2.6b, PIXEL-4.5, MIAO-7.6.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import InvalidOptionsError, Problem, WrongStateError
from django_hili.models import (
    Case,
    CaseKind,
    CaseOutcome,
    CaseState,
    Disclosure,
    Incident,
    JobStatus,
    Media,
    MessageKind,
    MessageState,
    PhotoJob,
    Receipt,
    SendState,
    Severity,
    Subject,
)
from django_hili.models.case import OPEN
from django_hili.models.disclosure import DisclosureQuerySet
from django_hili.models.incident import PARTS
from django_hili.privacy.consent.longer import LONGEST
from django_hili.privacy.evidence.noting import note, noting
from django_hili.privacy.rights import clock
from django_hili.privacy.rights.messages import queue_messages

PEOPLE_WITHIN: Final = dt.timedelta(hours=24)
"""Our reading of "without delay"; overdue from here on, never a reason to wait."""
CHINA: Final = "CN"


@dataclass(frozen=True, slots=True)
class Affected:
    """Whom an incident concerns."""

    subject_refs: frozenset[uuid.UUID]
    user_keys: frozenset[str]
    """Those of them who can still be told one by one."""
    untraceable: int
    """Photos and sends of its time whose rows or receipts stand while what led to their people is
    gone: the photo was deleted, or its job's time is over. A photo may be counted twice."""

    @property
    def is_announcement_needed(self) -> bool:
        """Whether somebody cannot be told one by one."""
        return len(self.user_keys) < len(self.subject_refs) or self.untraceable > 0


def open_incident(
    *, severity: Severity, began_at: dt.datetime, ended_at: dt.datetime,
    discovered_at: dt.datetime | None = None, provider: str = "", is_drill: bool = False,
    now: dt.datetime | None = None,
) -> Incident:  # fmt: skip
    """Open an incident, or a drill. Its clocks run from the discovery."""
    now = now or timezone.now()
    found = discovered_at or now
    if not began_at < ended_at or found > now:
        raise InvalidOptionsError(Problem("began_at", Code.OPTION_INVALID))
    with noting():
        case = Case.objects.create(
            kind=CaseKind.INCIDENT, state=CaseState.VERIFIED, received_at=now, verified_at=now,
            due_at=clock.due_at(received_at=now, verified_at=None), expires_at=_kept_until(now),
        )  # fmt: skip
        incident = Incident.objects.create(
            case=case, severity=severity, is_drill=is_drill, provider=provider,
            began_at=began_at, ended_at=ended_at, discovered_at=found,
            people_due_at=found + PEOPLE_WITHIN,
            authority_due_at=found + _authority_within(severity),
        )  # fmt: skip
        _note(incident, "opened")
    return incident


def affected_by(incident: Incident, *, now: dt.datetime | None = None) -> Affected:
    """Return whom an incident concerns, from jobs, photos, sends and receipts of its time.

    Rather somebody too many than somebody too few.
    """
    rows = _at_provider(incident) if incident.provider else _on_this_site(incident)
    refs = frozenset(ref for ref in rows if ref is not None)
    keys = Subject.objects.filter(ref__in=refs).exclude(user_key=None)
    return Affected(
        subject_refs=refs,
        user_keys=frozenset(key or "" for key in keys.values_list("user_key", flat=True)),
        untraceable=(
            _sends_at(incident).filter(~Exists(_job_of("job_id"))).count()
            if incident.provider
            else _photos_without_a_job(incident, now or timezone.now())
        ),
    )


def describe(*, incident_id: uuid.UUID, **parts: str) -> Incident:
    """Write parts of what people are told: situation, measures, advice, remedies."""
    if unknown := set(parts) - set(PARTS):
        raise ValueError(f"an incident has no {min(unknown)}")
    rows = Incident.objects.filter(pk=incident_id, case__state__in=OPEN)
    if not rows.update(**parts):
        raise WrongStateError(Code.CASE_CHANGED)
    return Incident.objects.get(pk=incident_id)


def tell_people(*, incident_id: uuid.UUID, now: dt.datetime | None = None) -> Affected:
    """Queue a message to everybody affected. Raises `WrongStateError` while a part is missing.

    May be done again: who has a message already gets no second one. A drill queues nothing.
    """
    now = now or timezone.now()
    incident = _whole(incident_id)
    people = affected_by(incident)
    with noting():
        rows = Incident.objects.filter(pk=incident_id, case__state__in=OPEN)
        if not rows.update(people_told_at=now, affected=len(people.subject_refs)):
            raise WrongStateError(Code.CASE_CHANGED)
        if not incident.is_drill:
            queue_messages(
                sorted(people.user_keys), kind=MessageKind.INCIDENT, now=now, incident=incident
            )
        _note(incident, "people_told")
    return people


def announce(*, incident_id: uuid.UUID, now: dt.datetime | None = None) -> None:
    """Publish the incident on the announcements' page, for whoever cannot be told one by one."""
    _whole(incident_id)
    _mark(incident_id, "announced", announced_at=now or timezone.now())


def tell_authority(*, incident_id: uuid.UUID, now: dt.datetime | None = None) -> None:
    """Note that the authority was told; telling it is a person's work."""
    _mark(incident_id, "authority_told", authority_told_at=now or timezone.now())


def is_announcement_missing(incident: Incident) -> bool:
    """Whether somebody could not be told one by one, and nothing has been announced."""
    if incident.announced_at is not None or incident.is_drill:
        return False
    unreachable = incident.messages.filter(state=MessageState.UNREACHABLE)
    return unreachable.exists() or affected_by(incident).is_announcement_needed


def close_incident(*, incident_id: uuid.UUID, now: dt.datetime | None = None) -> Incident:
    """Close an incident. Raises `WrongStateError` with all that is missing."""
    now = now or timezone.now()
    incident = Incident.objects.get(pk=incident_id)
    if missing := what_is_missing(incident):
        raise _incomplete(missing)
    with noting():
        closed = Case.objects.move(
            incident_id, OPEN, CaseState.CLOSED, outcome=CaseOutcome.GRANTED, closed_at=now,
            expires_at=_kept_until(now),
        )  # fmt: skip
        if not closed:
            raise WrongStateError(Code.CASE_CHANGED)
        _note(incident, "closed")
    return Incident.objects.get(pk=incident_id)


def what_is_missing(incident: Incident) -> list[str]:
    """Return the names of the fields that keep an incident from being closed."""
    missing = list(incident.missing)
    waiting = incident.messages.filter(state=MessageState.QUEUED)
    if incident.people_told_at is None or waiting.exists():
        missing.append("people_told_at")
    if is_announcement_missing(incident):
        missing.append("announced_at")
    if incident.authority_told_at is None and not _is_minor_or_drill(incident):
        missing.append("authority_told_at")
    return missing


def overdue(now: dt.datetime) -> QuerySet[Incident]:
    """Return the incidents whose people or authority have not been told in time."""
    people = Q(people_told_at=None, people_due_at__lt=now)
    authority = Q(authority_told_at=None, authority_due_at__lt=now) & ~Q(severity=Severity.MINOR)
    return Incident.objects.real().filter(people | authority, case__state__in=OPEN)


def has_to_tell(incident: Incident, who: str) -> bool:
    """Whether `people` or the `authority` have to be told: an authority of nothing minor."""
    return who == "people" or not _is_minor_or_drill(incident)


def late(incident: Incident, *, now: dt.datetime | None = None) -> set[str]:
    """Return who should have been told of this incident by now: people, authority, or nobody.

    What `overdue` asks of all incidents, of the one.
    """
    if incident.is_drill or incident.case.state not in OPEN:
        return set()
    moment = now or timezone.now()
    return {
        who
        for who in ("people", "authority")
        if has_to_tell(incident, who)
        and getattr(incident, f"{who}_told_at") is None
        and getattr(incident, f"{who}_due_at") < moment
    }


def _on_this_site(incident: Incident) -> set[uuid.UUID | None]:
    """Whoever had a job or a photo here in that time, or may have had one that is gone since."""
    jobs = PhotoJob.objects.filter(created_at__lte=incident.ended_at)
    kept = get_settings().privacy.effective.result_kept
    there = Q(ended_at=None) | Q(ended_at__gte=incident.began_at)
    if kept is None:
        there |= Q(status=JobStatus.DONE)
    else:
        there |= Q(status=JobStatus.DONE, ended_at__gte=incident.began_at - kept)
    stored = Media.objects.filter(created_at__lte=incident.ended_at)
    stored = stored.filter(Q(condemned_at=None) | Q(condemned_at__gte=incident.began_at))
    there |= Q(pk__in=stored.values("job_id"))
    return set(jobs.filter(there).values_list("subject_ref", flat=True))


def _at_provider(incident: Incident) -> set[uuid.UUID | None]:
    """Whoever's photo had gone to that provider and may have been there in that time."""
    return set(_sends_at(incident).values_list("job__subject_ref", flat=True))


def _sends_at(incident: Incident) -> DisclosureQuerySet:
    sends = Disclosure.objects.filter(provider=incident.provider)
    sends = sends.filter(intended_at__lte=incident.ended_at).exclude(state=SendState.INTENDED)
    return sends.filter(Q(vendor_due_at=None) | Q(vendor_due_at__gte=incident.began_at))


def _photos_without_a_job(incident: Incident, now: dt.datetime) -> int:
    """Count photos of that time by their receipts, where their job's row is gone since.

    Every photo leaves one receipt when its source is erased, at the end of its job at the latest;
    from then on its result may have lain here for as long as the policy lets it.
    """
    privacy = get_settings().privacy
    kept = privacy.effective.result_kept
    receipts = Receipt.objects.filter(at__lte=now)
    deleted = receipts.filter(kind="photo_deleted", at__gte=incident.began_at)
    dropped = receipts.filter(kind="erased", facts__contains='"kind":"source"')
    dropped = dropped.filter(
        at__lte=min(now - privacy.job_kept, incident.ended_at + privacy.source_ceiling)
    )
    if kept is not None:
        dropped = dropped.filter(at__gte=incident.began_at - kept)
    longer = receipts.filter(
        kind="result_kept_longer", at__gte=incident.began_at - LONGEST, at__lte=incident.ended_at
    )
    kept_longer = set(longer.values_list("object_id", flat=True))
    there = PhotoJob.objects.filter(pk__in=kept_longer).count()
    return deleted.count() + dropped.count() + len(kept_longer) - there


def _job_of(column: str) -> QuerySet[PhotoJob]:
    return PhotoJob.objects.filter(pk=OuterRef(column))


def _authority_within(severity: Severity) -> dt.timedelta:
    privacy = get_settings().privacy
    if severity == Severity.LARGER and privacy.home_region == CHINA:
        return privacy.effective.tell_authority_in_china_within
    return privacy.effective.tell_authority_within


def _whole(incident_id: uuid.UUID) -> Incident:
    incident = Incident.objects.get(pk=incident_id)
    if incident.missing:
        raise _incomplete(incident.missing)
    return incident


def _incomplete(names: list[str]) -> WrongStateError:
    labels = {field.name: str(field.verbose_name) for field in Incident._meta.concrete_fields}
    return WrongStateError(
        Code.INCIDENT_INCOMPLETE, missing="; ".join(labels[name] for name in names)
    )


def _mark(incident_id: uuid.UUID, step: str, **columns: dt.datetime) -> None:
    with noting():
        rows = Incident.objects.filter(pk=incident_id, case__state__in=OPEN)
        if not rows.update(**columns):
            raise WrongStateError(Code.CASE_CHANGED)
        _note(Incident.objects.get(pk=incident_id), step)


def _note(incident: Incident, step: str) -> None:
    words = f"drill_{step}" if incident.is_drill else step
    note("incident", incident.pk, step=words, severity=incident.severity)


def _is_minor_or_drill(incident: Incident) -> bool:
    return incident.is_drill or incident.severity == Severity.MINOR


def _kept_until(now: dt.datetime) -> dt.datetime:
    return now + get_settings().privacy.effective.receipts_kept
