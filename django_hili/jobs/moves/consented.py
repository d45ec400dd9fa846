"""The last question before photos leave: whether everything they rest on still holds.

A consent may have been taken back, or a version published, since the job was made. What may not
leave is held until the person agrees again, or until its source's deadline ends it.
Clauses C11: HILI-3.1.1a, AIART-3.1a, PIXEL-5.1a, MIAO-6.1a. Clauses C31: AIART-1.2.8, MIAO-8.3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from django_hili.jobs.moves.many import move_all
from django_hili.models import HeldReason, JobStatus, PhotoJob
from django_hili.privacy.consent.asking import ask_send_all


def with_consent(*, jobs: Sequence[PhotoJob]) -> list[PhotoJob]:
    """Return those claimed jobs whose photos may leave now; hold the others."""
    refusals = ask_send_all(jobs)
    by_code: dict[str, list[PhotoJob]] = defaultdict(list)
    for job in jobs:
        if job.pk in refusals:
            by_code[refusals[job.pk].code].append(job)
    for code, held in by_code.items():
        move_all(
            held,
            JobStatus.SENDING,
            JobStatus.HELD,
            held_reason=HeldReason.CONSENT_NEEDED,
            code=code,
            lease_until=None,
            lease_owner="",
            stage="",
            percent=None,
        )
    return [job for job in jobs if job.pk not in refusals]
