"""Requests of people and incidents in the admin: lists without names, pages that answer.

Seeing that there is a case, and reading and answering what somebody wrote, are two permissions:
`view_case` and `answer_case`. Clauses C26: AIART-4.2.1c, AIART-4.2.1d. C33: HILI-9, AIART-5.6a.
C34: HILI-5f, PIXEL-4.5.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_hili.admin.filters import RequestKindFilter
from django_hili.admin.readonly import ReadOnlyAdmin
from django_hili.codes import SENTENCES, Code
from django_hili.exceptions import HiliError, InvalidOptionsError, Problem
from django_hili.models import (
    Case,
    CaseKind,
    CaseOutcome,
    CaseState,
    ExtensionReason,
    Incident,
    RefusalGround,
)
from django_hili.models.incident import PARTS
from django_hili.privacy.rights import cases, incidents
from django_hili.privacy.rights.holdings import counts_about

LABEL = "django_hili"
ANSWER_CASE = "django_hili.answer_case"


class AnswerForm(forms.Form):
    """The end of a case: nothing is chosen beforehand, and there is no answer without words."""

    outcome = forms.ChoiceField(label=_("outcome"), choices=[("", "–"), *CaseOutcome.choices])
    ground = forms.ChoiceField(
        label=_("ground"), choices=[("", "–"), *RefusalGround.choices], required=False,
        help_text=_("For a refusal, also in part."),
    )  # fmt: skip
    text = forms.CharField(
        label=_("Your words"), widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_("The person reads them, with the outcome and where to appeal."),
    )  # fmt: skip

    def __init__(self, *args: Any, case: Case, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._case = case

    @property
    def labels(self) -> dict[str, Any]:
        """The choices as they read."""
        outcome, ground = self.cleaned_data["outcome"], self.cleaned_data["ground"]
        return {
            "outcome": CaseOutcome(outcome).label,
            "ground": RefusalGround(ground).label if ground else "",
        }

    def clean(self) -> dict[str, Any]:
        """Ask before anybody confirms it whether the answer will be taken."""
        words: dict[str, Any] = super().clean() or {}
        if self.errors:
            return words
        try:
            cases.check_answer(
                self._case, outcome=CaseOutcome(words["outcome"]), ground=words["ground"],
                text=words["text"],
            )  # fmt: skip
        except InvalidOptionsError as error:
            for problem in error.problems:
                self.add_error(problem.field, problem.sentence)
        except HiliError as error:
            self.add_error(None, error.sentence)
        return words


class ExtendForm(forms.Form):
    """More time: the reason is said by whoever extends, and no date is taken that is no later."""

    reason = forms.ChoiceField(
        label=_("why it takes longer"), choices=[("", "–"), *ExtensionReason.choices],
        help_text=_("The person reads it."),
        error_messages=dict.fromkeys(
            ["required", "invalid_choice"], SENTENCES[Code.EXTENSION_UNREASONED]
        ),
    )  # fmt: skip
    until = forms.DateField(label=_("answer due"), widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, case: Case, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._case = case
        last = timezone.localtime(cases.latest_answer(case)).date()
        self.fields["until"].help_text = _("At the latest: %(date)s") % {
            "date": date_format(last, "DATE_FORMAT")
        }
        self.fields["until"].widget.attrs["max"] = last.isoformat()

    def clean(self) -> dict[str, Any]:
        """Ask before the row is touched whether so much time may be taken."""
        words: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                cases.check_extension(self._case, reason=words["reason"], until=self.moment)
            except InvalidOptionsError as error:
                self.add_error("until", error.problems[0].sentence)
        return words

    @property
    def moment(self) -> dt.datetime:
        """The chosen day, at the hour the answer was due before; on the last day, the last hour."""
        chosen = dt.datetime.combine(self.cleaned_data["until"], self._case.due_at.timetz())
        last = cases.latest_answer(self._case)
        return min(chosen, last) if chosen.date() == last.date() else chosen


class PartsForm(forms.ModelForm):
    """What people are told of an incident."""

    class Meta:
        model = Incident
        fields = PARTS


class AskedAdmin(ReadOnlyAdmin):
    """What both pages share: no free editing, verbs by buttons."""

    def may_answer(self, request: HttpRequest) -> bool:
        """Whether this member of staff may read and answer."""
        return bool(request.user.has_perm(ANSWER_CASE))

    def verbs(self) -> dict[str, Callable[[HttpRequest, Any], object]]:
        """What a button of the page does, by its name."""
        return {}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:  # fmt: skip
        """Show the page; do what a button says."""
        row = self.get_object(request, object_id)
        if row is not None and request.method == "POST":
            return self._do(request, row)
        context = dict(extra_context or {})
        if row is not None:
            context |= {"may_answer": self.may_answer(request), **self.page_context(request, row)}
        return super().change_view(request, object_id, form_url, context)

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the template shows besides the row."""
        return {}

    def _do(self, request: HttpRequest, row: Any) -> HttpResponse:
        verb = self.verbs().get(request.POST.get("do", ""))
        if verb is None or not self.may_answer(request):
            raise PermissionDenied
        try:
            verb(request, row)
        except HiliError as error:
            self.message_user(request, error.sentence, messages.ERROR)
        else:
            self.log_change(request, row, request.POST["do"])
            self.message_user(request, _("Done."), messages.SUCCESS)
        return HttpResponseRedirect(request.path)


class OverdueFilter(admin.SimpleListFilter):
    """Answered in time, or not."""

    title = _("overdue")
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer what is late."""
        return [("yes", _("overdue"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Case]) -> QuerySet[Case]:
        """Keep what is late."""
        if self.value() != "yes":
            return queryset
        return queryset.filter(pk__in=Case.objects.overdue(timezone.now()).values("pk"))


@admin.register(Case)
class CaseAdmin(AskedAdmin):
    """Requests: when they came, when they are due, and a page to answer each."""

    list_display = ["short_id", "kind", "state", "received", "due", "outcome"]
    list_filter = [OverdueFilter, "state", RequestKindFilter]
    ordering = ["due_at"]
    change_form_template = "admin/django_hili/case/page.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Case]:
        """Leave incidents to their own page."""
        return Case.objects.exclude(kind=CaseKind.INCIDENT)

    def verbs(self) -> dict[str, Callable[[HttpRequest, Case], object]]:
        """Verify, extend, answer."""
        return {"verify": self._verify, "extend": self._extend, "answer": self._answer}

    def page_context(self, request: HttpRequest, row: Case) -> dict[str, Any]:
        """Open what was written for whoever may answer it."""
        if not self.may_answer(request):
            return {"title": _("case")}
        return {
            "title": _("case"), "words": cases.request_text(row), "answer": cases.answer_text(row),
            "is_open": row.state != CaseState.CLOSED, "is_late": row.is_overdue(timezone.now()),
            "answer_form": AnswerForm(case=row), "extend_form": ExtendForm(case=row),
            **_whose(request, row),
        }  # fmt: skip

    def _do(self, request: HttpRequest, row: Case) -> HttpResponse:
        """Keep what was typed on the page until it is right, and ask once before an answer."""
        name = request.POST.get("do")
        if name not in _FORMS or row.state == CaseState.CLOSED or not self.may_answer(request):
            return super()._do(request, row)
        form = _FORMS[name](request.POST, case=row)
        if form.is_valid() and (name != "answer" or "confirm" in request.POST):
            return super()._do(request, row)
        context = {
            **self.admin_site.each_context(request), "opts": self.model._meta, "original": row,
            "media": self.media, "back": request.path, "has_view_permission": True,
        }  # fmt: skip
        if form.is_valid():
            context |= {"title": _("Answer for good"), "form": form}
            return TemplateResponse(request, "admin/django_hili/case/answer.html", context)
        context |= {"may_answer": True, **self.page_context(request, row), f"{name}_form": form}
        return TemplateResponse(request, self.change_form_template, context)

    @admin.display(description=_("case"))
    def short_id(self, case: Case) -> str:
        """The first eight digits: enough to tell cases apart."""
        return str(case.pk)[:8]

    @admin.display(description=_("received"), ordering="received_at")
    def received(self, case: Case) -> str:
        """When, short enough for a column."""
        return _short(case.received_at)

    @admin.display(description=_("answer due"), ordering="due_at")
    def due(self, case: Case) -> str:
        """By when, and whether that is past."""
        return _deadline(case.due_at, is_late=case.is_overdue(timezone.now()))

    def _verify(self, request: HttpRequest, case: Case) -> None:
        cases.verify(case_id=case.pk)

    def _extend(self, request: HttpRequest, case: Case) -> None:
        form = ExtendForm(request.POST, case=case)
        if not form.is_valid():
            raise InvalidOptionsError(Problem("extension", Code.EXTENSION_UNREASONED))
        cases.extend(case_id=case.pk, reason=form.cleaned_data["reason"], until=form.moment)

    def _answer(self, request: HttpRequest, case: Case) -> None:
        form = AnswerForm(request.POST, case=case)
        if not form.is_valid():
            raise InvalidOptionsError(*(Problem(name, Code.OPTION_INVALID) for name in form.errors))
        words = form.cleaned_data
        cases.close(
            case_id=case.pk, outcome=CaseOutcome(words["outcome"]), ground=words["ground"],
            text=words["text"],
        )  # fmt: skip


_FORMS: dict[str, type[AnswerForm | ExtendForm]] = {"answer": AnswerForm, "extend": ExtendForm}
"""The verbs of a case that take words."""


def _short(at: dt.datetime) -> str:
    return date_format(timezone.localtime(at), "SHORT_DATETIME_FORMAT")


def _deadline(at: dt.datetime, *, is_late: bool) -> str:
    """Return a deadline for a column, with a word beside it when it has passed."""
    if not is_late:
        return _short(at)
    return format_html(
        '{} <span class="hili-badge hili-failed">{}</span>', _short(at), _("overdue")
    )


def _whose(request: HttpRequest, case: Case) -> dict[str, Any]:
    """Return what leads from a request to the person's rows: a reference, never a name."""
    if case.subject_ref is None:
        return {}
    models = {model._meta.model_name: model for model in apps.get_app_config(LABEL).get_models()}
    counts = counts_about(case.subject_ref)
    held = [(models[name]._meta.verbose_name_plural, count) for name, count in counts.items()]
    jobs = reverse("admin:django_hili_photojob_changelist")
    may_list = request.user.has_perm("django_hili.view_photojob")
    return {
        "held": held,
        "jobs_address": f"{jobs}?subject_ref={case.subject_ref}" if may_list else "",
    }


@admin.register(Incident)
class IncidentAdmin(AskedAdmin):
    """Incidents: their clocks, whom they concern, and a page for each step."""

    list_display = ["short_id", "how_bad", "discovered", "people", "authority", "closed_at"]
    list_filter = ["is_drill", "severity"]
    list_select_related = ["case"]
    ordering = ["-discovered_at"]
    change_form_template = "admin/django_hili/incident/page.html"

    def verbs(self) -> dict[str, Callable[[HttpRequest, Incident], object]]:
        """Describe, tell people, announce, note that the authority was told, close."""
        return {
            "describe": self._describe,
            "tell_people": lambda _, row: incidents.tell_people(incident_id=row.pk),
            "announce": lambda _, row: incidents.announce(incident_id=row.pk),
            "tell_authority": lambda _, row: incidents.tell_authority(incident_id=row.pk),
            "close": lambda _, row: incidents.close_incident(incident_id=row.pk),
        }

    def page_context(self, request: HttpRequest, row: Incident) -> dict[str, Any]:
        """Count whom it concerns, and say what is missing."""
        labels = {field.name: field.verbose_name for field in Incident._meta.concrete_fields}
        return {
            "title": _("incident"),
            "affected": incidents.affected_by(row),
            "missing": [labels[name] for name in incidents.what_is_missing(row)],
            "parts_form": PartsForm(instance=row),
            "is_open": row.case.state != CaseState.CLOSED,
            "late": incidents.late(row),
            "tells_authority": incidents.has_to_tell(row, "authority"),
        }

    @admin.display(description=_("incident"))
    def short_id(self, incident: Incident) -> str:
        """The first eight digits."""
        return str(incident.pk)[:8]

    @admin.display(description=_("severity"), ordering="severity")
    def how_bad(self, incident: Incident) -> str:
        """How bad it is, and whether it is a drill."""
        label = incident.get_severity_display()
        return f"{_('Drill')} · {label}" if incident.is_drill else label

    @admin.display(description=_("discovered"), ordering="discovered_at")
    def discovered(self, incident: Incident) -> str:
        """When, short enough for a column."""
        return _short(incident.discovered_at)

    @admin.display(description=_("people"), ordering="people_due_at")
    def people(self, incident: Incident) -> str:
        """When they were told, or by when they are to be."""
        return _told(incident, "people")

    @admin.display(description=_("authority"), ordering="authority_due_at")
    def authority(self, incident: Incident) -> str:
        """When it was told, or by when it is to be."""
        return _told(incident, "authority")

    @admin.display(description=_("closed"))
    def closed_at(self, incident: Incident) -> str:
        """When it was closed."""
        return _short(incident.case.closed_at) if incident.case.closed_at else "–"

    def _describe(self, request: HttpRequest, incident: Incident) -> None:
        parts = {name: request.POST.get(name, "") for name in PARTS}
        incidents.describe(incident_id=incident.pk, **parts)


def _told(incident: Incident, who: str) -> str:
    """Return when somebody was told of an incident, or by when they are to be, for a column."""
    told_at = getattr(incident, f"{who}_told_at")
    if told_at:
        return str(_("told %(date)s") % {"date": _short(told_at)})
    if not incidents.has_to_tell(incident, who):
        return "–"
    due_at, is_late = getattr(incident, f"{who}_due_at"), who in incidents.late(incident)
    return format_html(str(_("by {date}")), date=_deadline(due_at, is_late=is_late))
