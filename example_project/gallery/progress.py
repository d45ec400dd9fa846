"""How far a photo is, in the words its owner reads; decides nothing and asks no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _later

from django_hili.jobs.providers import Condition
from django_hili.models import HeldReason, JobStatus, PhotoJob
from django_hili.providers.registry import capabilities_of, provider_aliases
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


def of(job: Any, conditions: Mapping[str, Condition]) -> Progress:
    """Return the state of a photo whose newest job, with its result, is `job`.

    `conditions` says of each provider whether photos are sent to it now.
    """
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
        return _waiting(job, conditions.get(job.provider))
    return Progress("working", _("Being enhanced"), _stage(job), _percent(job))


def _waiting(job: PhotoJob, condition: Condition | None) -> Progress:
    if job.status == JobStatus.HELD:
        return Progress("waiting", _("Held"), str(_HELD[HeldReason(job.held_reason)]))
    return Progress("waiting", _("Waiting"), _why(condition))


_HELD = {
    HeldReason.SEND_UNKNOWN: _later(
        "The service’s answer about your photo was lost. It is not sent again before it is clear "
        "what became of it, or somebody at this site decides."
    ),
    HeldReason.CONSENT_NEEDED: _later(
        "Your consent is missing. Agree again, and your photo goes on by itself."
    ),
    HeldReason.PROVIDER_PAUSED: _later(
        "This site has paused the service. Your photo waits, and goes on once the pause is over."
    ),
    HeldReason.APPROVAL_NEEDED: _later("Somebody at this site has to approve it first."),
    HeldReason.ON_REQUEST: _later("Somebody at this site has put it on hold."),
}


def _why(condition: Condition | None) -> str:
    """Say what a queued photo waits for."""
    if condition == Condition.NO_CREDITS:
        return _("No credits are left. Your photo waits, and is sent once there are some.")
    if condition in {None, Condition.AVAILABLE}:
        return _("Your photo is in the queue.")
    return _("The service cannot be reached. Your photo waits, and is sent once it can.")


def _stage(job: PhotoJob) -> str:
    if job.status == JobStatus.SENDING:
        return _("On its way to the service")
    if job.status == JobStatus.FETCHING:
        return _("The result is being fetched")
    if job.stage in set(Operation):
        return str(OPERATION_LABELS[Operation(job.stage)])
    return _("The service has it") if _is_elsewhere(job) else _("Looking at the photo")


def _percent(job: PhotoJob) -> int | None:
    """A vendor names stages and no percent."""
    return None if _is_elsewhere(job) else job.percent


def _is_elsewhere(job: PhotoJob) -> bool:
    return job.provider in provider_aliases() and capabilities_of(job.provider).leaves_server
