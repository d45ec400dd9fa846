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
from django.utils.translation import gettext_lazy as _

from django_hili.admin.readonly import ReadOnlyAdmin
from django_hili.codes import Code
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
    """More time."""

    reason = forms.ChoiceField(label=_("why it takes longer"), choices=ExtensionReason)
    until = forms.DateField(label=_("answer due"), widget=forms.DateInput(attrs={"type": "date"}))


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

    list_display = ["short_id", "kind", "state", "received_at", "due_at", "is_late", "outcome"]
    list_filter = [OverdueFilter, "state", "kind"]
    ordering = ["due_at"]
    change_form_template = "admin/django_hili/case/page.html"

    class Media:
        css = {"all": ["django_hili/admin.css"]}

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
            "answer_form": AnswerForm(case=row), "extend_form": ExtendForm(),
            **_whose(request, row),
        }  # fmt: skip

    def _do(self, request: HttpRequest, row: Case) -> HttpResponse:
        """Ask once before a case is answered for good, with what will be sent on the page."""
        if request.POST.get("do") != "answer" or not self.may_answer(request):
            return super()._do(request, row)
        form = AnswerForm(request.POST, case=row)
        if form.is_valid() and "confirm" in request.POST:
            return super()._do(request, row)
        context = {
            **self.admin_site.each_context(request), "opts": self.model._meta, "original": row,
            "media": self.media, "back": request.path, "has_view_permission": True,
        }  # fmt: skip
        if form.is_valid():
            context |= {"title": _("Answer for good"), "form": form}
            return TemplateResponse(request, "admin/django_hili/case/answer.html", context)
        context |= {"may_answer": True, **self.page_context(request, row), "answer_form": form}
        return TemplateResponse(request, self.change_form_template, context)

    @admin.display(description=_("case"))
    def short_id(self, case: Case) -> str:
        """The first eight digits: enough to tell cases apart."""
        return str(case.pk)[:8]

    @admin.display(description=_("overdue"), boolean=True)
    def is_late(self, case: Case) -> bool:
        """Whether the answer is late."""
        return case.is_overdue(timezone.now())

    def _verify(self, request: HttpRequest, case: Case) -> None:
        cases.verify(case_id=case.pk)

    def _extend(self, request: HttpRequest, case: Case) -> None:
        form = ExtendForm(request.POST)
        until = form.cleaned_data["until"] if form.is_valid() else case.received_at.date()
        cases.extend(
            case_id=case.pk, reason=request.POST.get("reason", ""),
            until=dt.datetime.combine(until, case.due_at.timetz()),
        )  # fmt: skip

    def _answer(self, request: HttpRequest, case: Case) -> None:
        form = AnswerForm(request.POST, case=case)
        if not form.is_valid():
            raise InvalidOptionsError(*(Problem(name, Code.OPTION_INVALID) for name in form.errors))
        words = form.cleaned_data
        cases.close(
            case_id=case.pk, outcome=CaseOutcome(words["outcome"]), ground=words["ground"],
            text=words["text"],
        )  # fmt: skip


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

    list_display = [
        "short_id", "severity", "is_drill", "discovered_at", "people_due_at", "authority_due_at",
        "people_told_at", "authority_told_at", "closed_at",
    ]  # fmt: skip
    list_filter = ["is_drill", "severity"]
    list_select_related = ["case"]
    ordering = ["-discovered_at"]
    change_form_template = "admin/django_hili/incident/page.html"

    class Media:
        css = {"all": ["django_hili/admin.css"]}

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
            "is_late": incidents.overdue(timezone.now()).filter(pk=row.pk).exists(),
        }

    @admin.display(description=_("incident"))
    def short_id(self, incident: Incident) -> str:
        """The first eight digits."""
        return str(incident.pk)[:8]

    @admin.display(description=_("answered"))
    def closed_at(self, incident: Incident) -> dt.datetime | None:
        """When it was closed."""
        return incident.case.closed_at

    def _describe(self, request: HttpRequest, incident: Incident) -> None:
        parts = {name: request.POST.get(name, "") for name in PARTS}
        incidents.describe(incident_id=incident.pk, **parts)
