"""What staff may do with photo jobs, each behind a page that says what it means and costs.

Owns the page to confirm and the counts afterwards, for one job from its own page and for many
from the list. It decides nothing: each button calls one verb of `jobs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_hili.conf import get_settings
from django_hili.exceptions import HiliError
from django_hili.jobs.balance import Balance, balance
from django_hili.jobs.cancel import cancel_job
from django_hili.jobs.committing import commits_by_itself
from django_hili.jobs.hold import hold_job, release_job
from django_hili.jobs.queries import charge_of
from django_hili.jobs.retry import retry_job
from django_hili.models import HeldReason, JobStatus, PhotoJob
from django_hili.models.job import ENDED
from django_hili.providers.registry import capabilities_of, provider_aliases

ADD, CHANGE, ERASE = (
    f"django_hili.{name}" for name in ("add_photojob", "change_photojob", "erase_photo")
)
_UNFINISHED: Final = tuple(status for status in JobStatus if status not in ENDED)

if TYPE_CHECKING:
    _Base = admin.ModelAdmin
else:
    _Base = object


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing staff may do with a job."""

    name: str
    title: Promise
    button: Promise
    meaning: Promise
    done: Callable[[int], str]
    """The sentence that counts what was done."""
    permission: str
    statuses: tuple[JobStatus, ...]
    """The states in which it can be done."""
    do: Callable[[PhotoJob, HttpRequest], Any]
    costs: bool = False


def _release(job: PhotoJob, request: HttpRequest) -> None:
    accepts = "accept_possible_charge" in request.POST
    release_job(job_id=job.pk, accept_possible_charge=accepts)


VERBS: Final = {
    verb.name: verb
    for verb in (
        Verb(
            "cancel", _("Cancel photo jobs"), _("Cancel"),
            _("The photos are deleted at once, here. What a provider has charged stays charged."),
            lambda count: ngettext(
                "%(count)d photo job was cancelled.", "%(count)d photo jobs were cancelled.", count
            ),
            ERASE, _UNFINISHED, lambda job, _: cancel_job(job_id=job.pk),
        ),
        Verb(
            "hold", _("Hold photo jobs"), _("Hold"),
            _("They wait until somebody releases them. A photo that waits too long is deleted."),
            lambda count: ngettext(
                "%(count)d photo job is held.", "%(count)d photo jobs are held.", count
            ),
            CHANGE, (JobStatus.QUEUED,), lambda job, _: hold_job(job_id=job.pk),
        ),
        Verb(
            "release", _("Release photo jobs"), _("Release"),
            _("They go on, and their photos are sent."),
            lambda count: ngettext(
                "%(count)d photo job goes on.", "%(count)d photo jobs go on.", count
            ),
            ADD, (JobStatus.HELD,), _release, costs=True,
        ),
        Verb(
            "retry", _("Retry photo jobs"), _("Retry"),
            _("Each photo goes again with the same choices, as a new job."),
            lambda count: ngettext(
                "%(count)d photo goes again.", "%(count)d photos go again.", count
            ),
            ADD, (JobStatus.FAILED,),
            lambda job, request: retry_job(job_id=job.pk, requested_by=request.user), costs=True,
        ),
    )
}  # fmt: skip


@dataclass(slots=True)
class _Outcome:
    """What became of the chosen jobs."""

    done: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    """The job's short id and the sentence why."""
    charges: list[bool | None] = field(default_factory=list)


class JobVerbsMixin(_Base):
    """Buttons on a job's page, and actions on the list of jobs."""

    def get_urls(self) -> list[URLPattern]:
        """Add the address of each verb of one job; the list's own does what its actions say."""
        view = commits_by_itself(self.admin_site.admin_view(self.verb_view))
        own = path("<uuid:job_id>/do/<slug:name>/", view, name="django_hili_photojob_do")
        urls = super().get_urls()
        for url in urls:
            if url.name == "django_hili_photojob_changelist":
                commits_by_itself(url.callback)
        return [own, *urls]

    def verb_view(self, request: HttpRequest, job_id: str, name: str) -> HttpResponse:
        """Ask about one job, or do what was confirmed, and go back to its page."""
        verb = VERBS.get(name)
        job = PhotoJob.objects.filter(pk=job_id).first()
        if verb is None or job is None:
            raise Http404
        if not request.user.has_perm(verb.permission):
            raise PermissionDenied
        page = reverse("admin:django_hili_photojob_change", args=[job.pk])
        return self.ask_or_do(request, verb, [job], page) or HttpResponseRedirect(page)

    def ask_or_do(
        self, request: HttpRequest, verb: Verb, jobs: Sequence[PhotoJob], back: str
    ) -> HttpResponse | None:
        """Show the page to confirm, or do it and say what became of each."""
        fitting = [job for job in jobs if job.status in verb.statuses]
        if not fitting:
            text = _("None of these jobs is in a state that allows this.")
            self.message_user(request, text, messages.WARNING)
            return None
        doubtful = _doubtful(verb, fitting)
        is_accepted = not doubtful or "accept_possible_charge" in request.POST
        if request.method == "POST" and "confirm" in request.POST and is_accepted:
            self._tell(request, verb, self._do(request, verb, fitting))
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": verb.title,
            "opts": self.model._meta,
            "verb": verb,
            "jobs": fitting,
            "left_out": len(jobs) - len(fitting),
            "doubtful": len(doubtful),
            "is_missing": "confirm" in request.POST and not is_accepted,
            "costs": costs_of(fitting) if verb.costs else [],
            "charged": sum(charge_of(job.pk) is True for job in fitting[:_MOST_LOOKED_AT]),
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "action": request.POST.get("action", ""),
            "back": back,
        }
        return TemplateResponse(request, "admin/django_hili/verb_confirm.html", context)

    def _do(self, request: HttpRequest, verb: Verb, jobs: Sequence[PhotoJob]) -> _Outcome:
        outcome = _Outcome()
        for job in jobs:
            try:
                verb.do(job, request)
            except HiliError as error:
                outcome.refused.append((str(job.pk)[:8], error.sentence))
            else:
                outcome.done += 1
                outcome.charges.append(charge_of(job.pk))
                self.log_change(request, job, log_text(verb.name))
        return outcome

    def _tell(self, request: HttpRequest, verb: Verb, outcome: _Outcome) -> None:
        if outcome.done:
            text = verb.done(outcome.done) % {"count": outcome.done}
            if verb.name == "cancel":
                text = f"{text} {_charges_text(outcome.charges)}"
            self.message_user(request, text, messages.SUCCESS)
        if outcome.refused:
            lines = format_html_join("", "<br>{}: {}", outcome.refused)
            head = ngettext(
                "%(count)d photo job was left as it is:",
                "%(count)d photo jobs were left as they are:",
                len(outcome.refused),
            ) % {"count": len(outcome.refused)}
            self.message_user(request, format_html("{}{}", head, lines), messages.WARNING)

    # The actions of the list. Each needs its own permission to be offered.

    def _act(
        self, request: HttpRequest, queryset: QuerySet[PhotoJob], name: str
    ) -> HttpResponse | None:
        limit = get_settings().limits.max_photos_per_batch
        jobs = list(queryset[: limit + 1])
        if len(jobs) > limit:
            text = _("Choose at most %(limit)d photo jobs.") % {"limit": limit}
            self.message_user(request, text, messages.ERROR)
            return None
        return self.ask_or_do(request, VERBS[name], jobs, request.get_full_path())

    @admin.action(description=_("Cancel selected photo jobs"), permissions=["cancel"])
    def cancel_selected(
        self, request: HttpRequest, queryset: QuerySet[PhotoJob]
    ) -> HttpResponse | None:
        """End what has not ended yet; what has is left as it is."""
        return self._act(request, queryset, "cancel")

    @admin.action(description=_("Hold selected photo jobs"), permissions=["hold"])
    def hold_selected(
        self, request: HttpRequest, queryset: QuerySet[PhotoJob]
    ) -> HttpResponse | None:
        """Keep waiting jobs from being taken up."""
        return self._act(request, queryset, "hold")

    @admin.action(description=_("Release selected photo jobs"), permissions=["spend"])
    def release_selected(
        self, request: HttpRequest, queryset: QuerySet[PhotoJob]
    ) -> HttpResponse | None:
        """Let held jobs go on."""
        return self._act(request, queryset, "release")

    @admin.action(description=_("Retry selected photo jobs"), permissions=["spend"])
    def retry_selected(
        self, request: HttpRequest, queryset: QuerySet[PhotoJob]
    ) -> HttpResponse | None:
        """Have failed jobs' photos go again."""
        return self._act(request, queryset, "retry")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Cancelling erases the source, so it takes that permission."""
        return bool(request.user.has_perm(ERASE))

    def has_hold_permission(self, request: HttpRequest) -> bool:
        """Holding changes a job."""
        return bool(request.user.has_perm(CHANGE))

    def has_spend_permission(self, request: HttpRequest) -> bool:
        """Whatever sends a photo costs what a new job costs."""
        return bool(request.user.has_perm(ADD))


_MOST_LOOKED_AT = 50
"""Jobs whose charges the page looks up: enough to warn by, and a bounded number of queries."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What sending photos to one provider costs, and what is left there."""

    provider: str
    photos: int
    credits: int
    balance: Balance

    @property
    def is_too_much(self) -> bool:
        """Whether the last count is not enough."""
        return self.balance.credits is not None and self.credits > self.balance.credits


def costs_of(jobs: Sequence[PhotoJob]) -> list[Cost]:
    """Return what sending these jobs' photos costs, by provider."""
    aliases = [job.provider for job in jobs]
    return [cost_of(alias, aliases.count(alias)) for alias in dict.fromkeys(aliases)]


def cost_of(alias: str, photos: int) -> Cost:
    """Return what sending so many photos to one provider costs."""
    if alias not in provider_aliases():
        return Cost(alias, photos, 0, Balance(alias))
    credits_each = capabilities_of(alias).credits_per_send
    return Cost(alias, photos, photos * credits_each, balance(provider=alias))


def buttons_of(job: PhotoJob, request: HttpRequest) -> list[tuple[str, Promise]]:
    """Return the addresses and words of what this user may do with a job now."""
    return [
        (reverse("admin:django_hili_photojob_do", args=[job.pk, verb.name]), verb.button)
        for verb in VERBS.values()
        if job.status in verb.statuses and request.user.has_perm(verb.permission)
    ]


def log_text(verb: str, detail: str = "") -> list[dict[str, dict[str, Any]]]:
    """Return what the log of the admin keeps about something done to a row."""
    return [{"changed": {"name": verb, "object": detail, "fields": []}}]


def _doubtful(verb: Verb, jobs: Sequence[PhotoJob]) -> list[PhotoJob]:
    if verb.name != "release":
        return []
    return [job for job in jobs if job.held_reason == HeldReason.SEND_UNKNOWN]


def _charges_text(charges: Sequence[bool | None]) -> str:
    charged, unknown = charges.count(True), charges.count(None)
    if not charged and not unknown:
        return str(_("Nothing was charged."))
    return str(_("Charged: %(charged)d. Not known: %(unknown)d.")) % {
        "charged": charged,
        "unknown": unknown,
    }
