"""How far a photo is, in the words its owner reads; decides nothing and asks no database."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _

from django_hili.models import JobStatus, PhotoJob
from django_hili.vocabulary import OPERATION_LABELS, Operation


@dataclass(frozen=True, slots=True)
class Progress:
    """One photo's state. `kind` is new, waiting, working, done, gone or failed."""

    kind: str
    text: str
    detail: str = ""
    """What is being done right now, or why it failed."""
    percent: int | None = None

    @property
    def is_moving(self) -> bool:
        """Whether the page will look different soon."""
        return self.kind in {"waiting", "working"}

    def as_dict(self) -> dict[str, Any]:
        """Return the words for the page's script."""
        return {**asdict(self), "is_moving": self.is_moving}


def of(job: Any) -> Progress:
    """Return the state of a photo whose newest job, with its result, is `job`."""
    if job is None:
        return Progress("new", _("Not enhanced"))
    status = JobStatus(job.status)
    if status == JobStatus.DONE:
        if job.result_kept_until is None:
            return Progress("gone", _("Result deleted"))
        return Progress("done", _("Enhanced"))
    if status in {JobStatus.FAILED, JobStatus.CANCELLED}:
        return Progress("failed", _("Not enhanced"), job.failure_sentence)
    if status in {JobStatus.QUEUED, JobStatus.HELD}:
        return Progress("waiting", _("Waiting"), _("Your photo is in the queue."))
    return Progress("working", _("Being enhanced"), _stage(job), job.percent)


def _stage(job: PhotoJob) -> str:
    if job.stage in set(Operation):
        return str(OPERATION_LABELS[Operation(job.stage)])
    return _("Looking at the photo")
