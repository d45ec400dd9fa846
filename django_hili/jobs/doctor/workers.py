"""The workers: whether one lives, gets through its rounds, and moves what is due."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

from django.db.models import Count, Min
from django.utils import timezone

from django_hili import queue
from django_hili.conf import get_settings
from django_hili.jobs.doctor.findings import Area, Finding, Level, Sign, counted, in_words
from django_hili.jobs.worker.late import late_jobs
from django_hili.models import Heartbeat, HeldReason, JobStatus, PhotoJob, ProviderState
from django_hili.models.job import ACTIVE, PhotoJobQuerySet

_ROUNDS_MISSED = 3
_STUCK = dt.timedelta(minutes=2)
_NEXT_FOR_HELD: Mapping[str, str] = {
    HeldReason.SEND_UNKNOWN: "Decide in the admin: sending again may cost a second credit.",
    HeldReason.PROVIDER_PAUSED: "Resume the provider in the admin.",
    HeldReason.CONSENT_NEEDED: "The person has to agree first.",
    HeldReason.APPROVAL_NEEDED: "Somebody has to approve them in the admin.",
}


def look_at_workers() -> Iterator[Finding]:
    """Yield whether a worker lives, and whether jobs move."""
    now = timezone.now()
    yield _life(now)
    yield _movement(now)
    if (finding := _abandoned(now)) is not None:
        yield finding
    if (finding := _late(now)) is not None:
        yield finding
    yield from _held()


def _life(now: dt.datetime) -> Finding:
    beat = Heartbeat.objects.last()
    if beat is None:
        text = "No worker has given a sign of life yet on this site."
        hint = f"{_start()} One that has just started shows up with its first round."
        return Finding(Area.WORKERS, Level.ERROR, Sign.WORKER_NEVER_SEEN, text, hint)
    silence = (now - beat.began_at).total_seconds()
    patience = _ROUNDS_MISSED * max(60.0, get_settings().worker.sweep_interval.total_seconds())
    facts = {"silent_seconds": round(silence)}
    if silence > patience:
        text = f"No worker has given a sign of life for {in_words(silence)}."
        return Finding(Area.WORKERS, Level.ERROR, Sign.WORKER_SILENT, text, _start(), facts=facts)
    finished = beat.finished_at
    if finished is None or (now - finished).total_seconds() > silence + patience:
        return Finding(
            Area.WORKERS,
            Level.ERROR,
            Sign.ROUNDS_FAIL,
            "A worker runs, and its sweeps end early: deadlines are not enforced.",
            "Read the worker's log for 'The sweep stopped early', and see the other findings.",
            facts=facts,
        )
    text = f"A worker swept {in_words((now - finished).total_seconds())} ago."
    return Finding(Area.WORKERS, Level.OK, Sign.WORKERS_OK, text, facts=facts)


def _start() -> str:
    if queue.is_installed():
        return "Start `python manage.py qcluster` (or `hili_run`), and have it started at boot."
    return "Start `python manage.py hili_run`, and have it started at boot."


def _movement(now: dt.datetime) -> Finding:
    due = _due(now)
    oldest = due.aggregate(first=Min("due_at"))["first"]
    waiting = due.count()
    in_hand = PhotoJob.objects.filter(status__in=ACTIVE, lease_until__gt=now).count()
    age = (now - oldest).total_seconds() if oldest else 0.0
    facts = {"waiting": waiting, "in_hand": in_hand, "oldest_waiting_seconds": round(age)}
    if oldest and now - oldest > _STUCK and not in_hand:
        text = f"{counted(waiting, 'job')} due and none in hand; the oldest waits {in_words(age)}."
        step = "Restart the worker. A cluster whose idle process was killed hangs without a word."
        return Finding(Area.WORKERS, Level.ERROR, Sign.JOBS_STUCK, text, step, facts=facts)
    text = f"{counted(waiting, 'job')} waiting, {in_hand} in hand."
    if oldest:
        text = f"{text[:-1]}; the oldest waits {in_words(age)}."
    return Finding(Area.WORKERS, Level.OK, Sign.JOBS_MOVE, text, facts=facts)


def _due(now: dt.datetime) -> PhotoJobQuerySet:
    """Jobs that could be taken up: their provider is not held back."""
    closed = [state.alias for state in ProviderState.objects.all() if not state.may_be_asked(now)]
    return PhotoJob.objects.filter(status=JobStatus.QUEUED, due_at__lte=now).exclude(
        provider__in=closed
    )


def _abandoned(now: dt.datetime) -> Finding | None:
    lease = get_settings().worker.lease
    number = PhotoJob.objects.all().stalled(now - lease).count()
    if not number:
        return None
    return Finding(
        Area.WORKERS,
        Level.WARNING,
        Sign.JOBS_ABANDONED,
        f"{counted(number, 'job')} left in mid-work by a worker that fell silent.",
        f"A running worker takes them up again. {_start()}",
        facts={"abandoned": number},
    )


def _late(now: dt.datetime) -> Finding | None:
    number = late_jobs(now).count()
    if not number:
        return None
    return Finding(
        Area.WORKERS,
        Level.WARNING,
        Sign.PHOTOS_LATE,
        f"{counted(number, 'photo')} with a provider for over 30 minutes; an hour after it is done "
        "the provider deletes a result, and it is paid for.",
        f"See that a worker runs and that the provider answers. {_start()}",
        facts={"late": number},
    )


def _held() -> Iterator[Finding]:
    held = PhotoJob.objects.filter(status=JobStatus.HELD)
    for row in held.values("held_reason").annotate(number=Count("pk")).order_by("held_reason"):
        reason = row["held_reason"]
        yield Finding(
            Area.WORKERS,
            Level.WARNING,
            Sign.JOBS_HELD,
            f"{counted(row['number'], 'job')} held: {reason or 'no reason given'}.",
            _NEXT_FOR_HELD.get(reason, "Look at these jobs in the admin."),
            facts={"reason": reason, "held": row["number"]},
        )
