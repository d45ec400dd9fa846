"""Providers in the admin: whether each is available, what is left on its account, what it cost.

Pausing, resuming, counting and trusting the count take the permission to change providers; the
report of a month the permission to view them.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext_lazy as _

from django_hili.admin.readonly import ReadOnlyAdmin
from django_hili.admin.verbs import log_text
from django_hili.exceptions import HiliError
from django_hili.jobs.balance import refresh_balance
from django_hili.jobs.moves.breakers import state_of
from django_hili.jobs.moves.reconcile import trust_count
from django_hili.jobs.pause import pause_provider, resume_provider
from django_hili.jobs.providers import CONDITION_LABELS, Condition, provider_info
from django_hili.jobs.report import as_csv, monthly_report
from django_hili.models import JobStatus, PhotoJob, ProviderState
from django_hili.privacy.consent.wording import region_name
from django_hili.providers.registry import capabilities_of, provider_aliases
from django_hili.vocabulary import OPERATION_LABELS, Operation

_MONTHS_SHOWN = 12


@admin.register(ProviderState)
class ProviderStateAdmin(ReadOnlyAdmin):
    """Providers: read only, but for pausing, resuming, and what concerns their credits."""

    list_display = ["alias", "condition", "credits_left", "counted", "waiting"]
    list_display_links = ["alias"]
    ordering = ["alias"]
    change_form_template = "admin/django_hili/providerstate/page.html"
    change_list_template = "admin/django_hili/providerstate/list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProviderState]:
        """Only providers that are configured; what was removed is history."""
        rows: QuerySet[ProviderState] = super().get_queryset(request)
        return rows.filter(alias__in=provider_aliases())

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show every configured provider, also one nobody has met yet."""
        for alias in provider_aliases():
            state_of(alias)
        return super().changelist_view(request, extra_context)

    def get_urls(self) -> list[URLPattern]:
        """Add the report and what can be done with a provider."""
        page = self.admin_site.admin_view
        own = [
            path("report/", page(self.report_view), name="django_hili_providerstate_report"),
            path(
                "<path:alias>/do/<slug:name>/",
                page(self.verb_view),
                name="django_hili_providerstate_do",
            ),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:  # fmt: skip
        """Show one provider."""
        context = dict(extra_context or {})
        if object_id in provider_aliases():
            state_of(object_id)
            context |= _page_context(object_id, may_change=_may_change(request))
        return super().change_view(request, object_id, form_url, context)

    def verb_view(self, request: HttpRequest, alias: str, name: str) -> HttpResponse:
        """Pause (after a page to confirm), resume, count or trust; go back to the provider."""
        if not _may_change(request):
            raise PermissionDenied
        if alias not in provider_aliases() or name not in _VERBS:
            raise Http404
        page = reverse("admin:django_hili_providerstate_change", args=[alias])
        if request.method == "POST":
            self._do(request, alias, name)
            return HttpResponseRedirect(page)
        if name != "pause":
            return HttpResponseRedirect(page)
        waiting = PhotoJob.objects.filter(provider=alias, status=JobStatus.QUEUED).count()
        context = {
            **self.admin_site.each_context(request),
            "title": _("Pause the provider"),
            "opts": self.model._meta,
            "alias": alias,
            "waiting": waiting,
            "back": page,
        }
        return TemplateResponse(request, "admin/django_hili/providerstate/pause.html", context)

    def _do(self, request: HttpRequest, alias: str, name: str) -> None:
        try:
            text = _VERBS[name](alias)
        except HiliError as error:
            self.message_user(request, error.sentence, messages.ERROR)
            return
        self.log_change(request, state_of(alias), log_text(name))
        self.message_user(request, text, messages.SUCCESS)

    def report_view(self, request: HttpRequest) -> HttpResponse:
        """Show what a month has cost by user and operation, or give it as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        month = _month(request.GET.get("month", ""))
        report = monthly_report(month=month)
        if "csv" in request.GET:
            answer = HttpResponse(as_csv(report), content_type="text/csv; charset=utf-8")
            name = f"credits-{month:%Y-%m}.csv"
            answer["Content-Disposition"] = f'attachment; filename="{name}"'
            answer["Cache-Control"] = "private, no-store"
            return answer
        lines = [
            (line, ", ".join(str(OPERATION_LABELS[Operation(op)]) for op in line.operations))
            for line in report.lines
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Credits by month"),
            "opts": self.model._meta,
            "report": report,
            "lines": lines,
            "months": _months(timezone.localdate()),
        }
        return TemplateResponse(request, "admin/django_hili/providerstate/report.html", context)

    def has_view_permission(self, request: HttpRequest, obj: ProviderState | None = None) -> bool:
        """Who may change providers may see them."""
        return _may_change(request) or bool(request.user.has_perm("django_hili.view_providerstate"))

    @admin.display(description=_("state"))
    def condition(self, state: ProviderState) -> str:
        """Whether photos are sent to it now."""
        found = provider_info(alias=state.alias).condition
        return badge(found)

    @admin.display(description=_("credits left"))
    def credits_left(self, state: ProviderState) -> str:
        """The last count; a dash where nothing is charged."""
        if not capabilities_of(state.alias).credits_per_send or state.credits is None:
            return "–"
        if state.is_low:
            return format_html('<strong class="hili-low">{}</strong>', state.credits)
        return str(state.credits)

    @admin.display(description=_("counted"), ordering="credits_at")
    def counted(self, state: ProviderState) -> dt.datetime | None:
        """When the provider last said so."""
        return state.credits_at

    @admin.display(description=_("jobs waiting"))
    def waiting(self, state: ProviderState) -> int:
        """How many jobs wait for it."""
        unfinished = [JobStatus.QUEUED, JobStatus.HELD]
        return PhotoJob.objects.filter(provider=state.alias, status__in=unfinished).count()


def badge(condition: Condition) -> str:
    """Return a provider's state as a coloured word."""
    kind = "done" if condition is Condition.AVAILABLE else "held"
    return format_html(
        '<span class="hili-badge hili-{}">{}</span>', kind, CONDITION_LABELS[condition]
    )


def _pause(alias: str) -> str:
    count = pause_provider(provider=alias).jobs
    return ngettext(
        "The provider is paused; %(count)d photo job waits.",
        "The provider is paused; %(count)d photo jobs wait.",
        count,
    ) % {"count": count}


def _resume(alias: str) -> str:
    count = resume_provider(provider=alias).jobs
    return ngettext(
        "The provider is available; %(count)d photo job goes on.",
        "The provider is available; %(count)d photo jobs go on.",
        count,
    ) % {"count": count}


def _count(alias: str) -> str:
    left = refresh_balance(provider=alias).credits or 0
    return ngettext("%(count)d credit is left.", "%(count)d credits are left.", left) % {
        "count": left
    }


def _trust(alias: str) -> str:
    trust_count(provider=alias)
    return str(_("The count settles doubts again."))


_VERBS = {"pause": _pause, "resume": _resume, "count": _count, "trust": _trust}


def _may_change(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("django_hili.change_providerstate"))


def _page_context(alias: str, *, may_change: bool) -> dict[str, Any]:
    info = provider_info(alias=alias)
    jobs = PhotoJob.objects.filter(provider=alias)
    return {
        "title": _("Provider"),
        "info": info,
        "asks_later": info.ask_again_at is not None and info.ask_again_at > timezone.now(),
        "badge": badge(info.condition),
        "can": info.capabilities,
        "region": region_name(info.capabilities.region, get_language()),
        "operations": [OPERATION_LABELS[op] for op in info.capabilities.offered],
        "charges": info.capabilities.credits_per_send > 0,
        "is_paused": info.condition is Condition.PAUSED,
        "waiting": jobs.filter(status=JobStatus.QUEUED).count(),
        "held": jobs.filter(status=JobStatus.HELD).count(),
        "may_change": may_change,
    }


def _month(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(f"{text}-01")
    except ValueError:
        return timezone.localdate().replace(day=1)


def _months(today: dt.date) -> list[dt.date]:
    first, found = today.replace(day=1), []
    for _number in range(_MONTHS_SHOWN):
        found.append(first)
        first = (first - dt.timedelta(days=1)).replace(day=1)
    return found
