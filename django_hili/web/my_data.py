"""*Your photos and your data*: see, take, hand over, delete, withdraw, correct, ask, cancel.

Each page knows only the person who is logged in; what is somebody else's is not there (404).
Clauses C29, C30, C31, C32, C33: HILI-6, HILI-API-6, AIART-5.1, AIART-9, PIXEL-6.1, PIXEL-9,
MIAO-8.1, MIAO-8.3.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from django_hili.exceptions import HiliError
from django_hili.jobs.queries import jobs_of, result_of, why_gone, with_results
from django_hili.media.archive import archive_response
from django_hili.media.delivery import photo_response
from django_hili.models import AgeBand, Case, CaseKind, Consent, ConsentAction, EraseCause, Subject
from django_hili.privacy.consent.asking import ask_read
from django_hili.privacy.consent.consents import consents_of
from django_hili.privacy.consent.longer import LONGEST, keep_longer, may_keep_longer
from django_hili.privacy.consent.subjects import known_subject_ref, subject_ref_for
from django_hili.privacy.consent.wording import region_name
from django_hili.privacy.erasure.delivered import when_delivered
from django_hili.privacy.rights import cases, exercise, handover
from django_hili.privacy.rights.export import export
from django_hili.privacy.rights.withdrawal import withdraw_consent, withdraw_everything
from django_hili.web.pages import personal

PHOTOS_PER_PAGE = 12
AGES = {
    AgeBand.ADULT: _("18 or older"),
    AgeBand.MINOR: _("14 to 17"),
    AgeBand.CHILD: _("under 14"),
}
"""What the bands are called where a person chooses their own."""


class RequestForm(forms.Form):
    """Something a person asks for in words."""

    kind = forms.ChoiceField(
        label=_("What is it about?"),
        choices=[("", "–"), *((kind.value, kind.label) for kind in cases.ASKABLE)],
    )
    text = forms.CharField(
        label=_("Your words"), widget=forms.Textarea(attrs={"rows": 5}), required=False,
        max_length=cases.MAX_TEXT, help_text=_("Kept sealed, and deleted after the answer."),
    )  # fmt: skip


@personal("GET", "POST")
def my_data(request: HttpRequest) -> HttpResponse:
    """Show everything; take a request in."""
    form = RequestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            cases.ask(
                kind=CaseKind(form.cleaned_data["kind"]), text=form.cleaned_data["text"],
                subject_ref=subject_ref_for(request.user),
            )  # fmt: skip
        except HiliError as error:
            form.add_error(None, error.sentence)
        else:
            return redirect(reverse("hili:my-data") + "?asked#requests")
    status = 422 if form.errors else 200
    return render(
        request, "django_hili/privacy/my_data.html", _context(request, form), status=status
    )


@personal("GET")
def my_photo(request: HttpRequest, job_id: uuid.UUID) -> HttpResponseBase:
    """Stream one of the person's results, to look at or with `?download` to save."""
    job = jobs_of(request.user).filter(pk=job_id).first()
    if job is None:
        raise Http404
    try:
        ask_read(owner=job.subject_ref, reader=request.user)
        is_taken = "download" in request.GET
        done = when_delivered(job) if is_taken else None
        return photo_response(
            result_of(job), request=request, as_attachment=is_taken, on_delivered=done
        )
    except HiliError:
        raise Http404 from None


@personal("GET")
def my_copy(request: HttpRequest) -> HttpResponseBase:
    """Stream the person's archive; a look at its headers makes none."""
    ref = subject_ref_for(request.user)
    ask_read(owner=ref, reader=request.user, exporting=True)
    pieces = iter(()) if request.method == "HEAD" else export(subject_ref=ref)
    return archive_response(pieces, request=request)


@personal("GET", "POST")
def new_handover(request: HttpRequest) -> HttpResponse:
    """Make a one-time link and show it, this once."""
    if request.method != "POST":
        return _back("copy")
    made = handover.hand_over(subject_ref=subject_ref_for(request.user))
    address = request.build_absolute_uri(reverse("hili:take-copy", args=[made.token]))
    context = {"address": address, "expires_at": made.handover.expires_at}
    return render(request, "django_hili/privacy/handover.html", context)


@personal("GET", "POST")
def end_handover(request: HttpRequest) -> HttpResponse:
    """Take a link back that has not been used."""
    if request.method == "POST":
        handover.take_back(subject_ref=subject_ref_for(request.user))
    return _back("copy")


@personal("GET", "POST")
def delete_photo(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Ask once, then delete one photo."""
    job = jobs_of(request.user).filter(pk=job_id).first()
    if job is None:
        raise Http404
    if request.method != "POST":
        return _confirm(request, what="photo", job=job)
    return _deleted(request, [job.pk])


class KeepForm(forms.Form):
    """Until which day a result is to be kept."""

    until = forms.DateField(label=_("Keep until"))


@personal("GET", "POST")
def keep(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """Keep one photo for longer, to the beginning of a day."""
    if request.method != "POST":
        return _back("photos")
    job = jobs_of(request.user).filter(pk=job_id).first()
    if job is None:
        raise Http404
    form = KeepForm(request.POST)
    if form.is_valid():
        day = dt.datetime.combine(form.cleaned_data["until"], dt.time.min)
        try:
            keep_longer(subject=request.user, job_id=job.pk, until=timezone.make_aware(day))
        except HiliError as error:
            form.add_error("until", error.sentence)
        else:
            return redirect(reverse("hili:my-data") + "#photos")
    context = {**_context(request, RequestForm()), "keep_errors": form.errors["until"]}
    return render(request, "django_hili/privacy/my_data.html", context, status=422)


@personal("GET", "POST")
def delete_photos(request: HttpRequest) -> HttpResponse:
    """Ask once, then delete all photos."""
    if request.method != "POST":
        return _confirm(request, what="photos", count=jobs_of(request.user).count())
    return _deleted(request, None)


@personal("GET", "POST")
def cancel(request: HttpRequest) -> HttpResponse:
    """Ask once, then end everything about the person here."""
    if request.method != "POST":
        return _confirm(request, what="account")
    deletion = exercise.cancel_account(subject_ref=subject_ref_for(request.user))
    context = {"what": "account", "deletion": deletion, "pending": _copies(deletion.pending)}
    return render(request, "django_hili/privacy/deleted.html", context)


@personal("GET", "POST")
def withdraw(request: HttpRequest) -> HttpResponse:
    """Say what follows, then take one consent back, or all of them."""
    named = {**request.GET.dict(), **request.POST.dict()}
    purpose, processor = named.get("purpose", ""), named.get("processor", "")
    if request.method != "POST":
        given = [event for event in consents_of(request.user) if _is_given(event)]
        if purpose:
            given = [one for one in given if (one.purpose, one.processor) == (purpose, processor)]
        if not given:
            return _back("consents")
        return _confirm(request, what="consents", consents=given, is_all=not purpose)
    if purpose:
        withdraw_consent(subject=request.user, purpose=purpose, processor=processor)
    else:
        withdraw_everything(subject=request.user)
    return _back("consents")


@personal("GET", "POST")
def correct(request: HttpRequest) -> HttpResponse:
    """Say what follows, then correct how old the person is, roughly."""
    named = request.POST if request.method == "POST" else request.GET
    band = named.get("age_band", "")
    if band not in AGES:
        return _back("consents")
    if request.method != "POST":
        return _confirm(request, what="age", band=band, label=AGES[AgeBand(band)])
    try:
        exercise.correct(subject=request.user, age_band=AgeBand(band))
    except HiliError as error:
        context = {**_context(request, RequestForm()), "age_error": error.sentence}
        return render(request, "django_hili/privacy/my_data.html", context, status=403)
    return _back("consents")


def _back(place: str) -> HttpResponse:
    return redirect(reverse("hili:my-data") + f"#{place}")


def _is_given(event: Consent) -> bool:
    return event.action == ConsentAction.GRANT


def _age_band(ref: uuid.UUID | None) -> str:
    if ref is None:
        return AgeBand.UNKNOWN
    bands = Subject.objects.filter(ref=ref).values_list("age_band", flat=True)
    return bands.first() or AgeBand.UNKNOWN


def _context(request: HttpRequest, form: RequestForm) -> dict[str, Any]:
    ref = known_subject_ref(request.user)
    jobs = with_results(jobs_of(request.user)).order_by("-created_at")
    page = Paginator(jobs, PHOTOS_PER_PAGE).get_page(request.GET.get("page"))
    return {
        "page": page,
        "photos": [_photo(job) for job in page],
        "may_keep": may_keep_longer(subject=request.user),
        "keep_until_most": timezone.localdate() + LONGEST,
        "pending": _copies(exercise.pending_copies(jobs_of(request.user))),
        "consents": [event for event in consents_of(request.user) if _is_given(event)],
        "age_band": _age_band(ref),
        "age_bands": AGES.items(),
        "has_handover": ref is not None and handover.is_pending(subject_ref=ref),
        "requests": [_request(case) for case in Case.objects.of(ref).order_by("-received_at")],
        "form": form,
        "was_asked": "asked" in request.GET,
        "appeal": cases.appeal_path(),
    }


def _photo(job: Any) -> tuple[Any, EraseCause | None]:
    """Return a job with why its result is gone, if it is and something tells."""
    return job, None if job.result_kept_until else why_gone(job)


def _request(case: Case) -> dict[str, Any]:
    return {
        "case": case,
        "words": cases.request_text(case),
        "answer": cases.answer_text(case),
        "is_overdue": case.is_overdue(timezone.now()),
    }


def _copies(pending: Iterable[exercise.PendingCopy]) -> list[tuple[exercise.PendingCopy, str]]:
    """Return each copy elsewhere with the name of the place it is in."""
    return [(copy, region_name(copy.region, get_language())) for copy in pending]


def _confirm(request: HttpRequest, *, what: str, **context: Any) -> HttpResponse:
    return render(request, "django_hili/privacy/confirm.html", {"what": what, **context})


def _deleted(request: HttpRequest, job_ids: list[uuid.UUID] | None) -> HttpResponse:
    deletion = exercise.delete_photos(subject_ref=subject_ref_for(request.user), job_ids=job_ids)
    what = "photos" if job_ids is None else "photo"
    context = {"what": what, "deletion": deletion, "pending": _copies(deletion.pending)}
    return render(request, "django_hili/privacy/deleted.html", context)
