"""People's pages: their photos and what becomes of them. Each address knows only its owner.

Every view asks for the user's own photo first; anybody else's is not there (404). A bad
upload is answered in the page, in django-hili's words, and leaves nothing behind.
"""

from __future__ import annotations

import mimetypes
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

import django_hili
from django_hili.exceptions import HiliError
from django_hili.jobs.delete import delete_jobs
from django_hili.jobs.queries import latest_jobs_of_targets, result_of, why_gone
from django_hili.media.delivery import file_response, photo_response
from django_hili.models import PhotoJob, SendState
from example_project.gallery import progress as progress_words
from example_project.gallery.destination import conditions
from example_project.gallery.forms import EnhanceForm, PhotoForm
from example_project.gallery.models import Photo

LABEL = Photo._meta.label_lower
_ACCEPTED = Q(state=SendState.ANSWERED) | Q(state=SendState.RECONCILED, charged=True)
"""Sends that reached the service: a refused one sent nothing that stayed there."""


@require_GET
def photo_list(request: HttpRequest) -> HttpResponse:
    """Show the user's photos, each with how far its enhancement is."""
    photos = list(Photo.objects.of(request.user))
    jobs = latest_jobs_of_targets(LABEL, [photo.pk for photo in photos])
    known = conditions()
    cards = [(photo, progress_words.of(jobs.get(str(photo.pk)), known)) for photo in photos]
    return render(request, "gallery/list.html", {"cards": cards})


@require_http_methods(["GET", "POST"])
def new_photo(request: HttpRequest) -> HttpResponse:
    """Take a photo in, clean it, store it and have it enhanced."""
    if request.method == "GET":
        return render(request, "gallery/new.html", {"form": PhotoForm(user=request.user)})
    form = PhotoForm(request.POST, request.FILES, user=request.user)
    if form.is_valid():
        photo = form.save(commit=False)
        photo.owner = request.user
        photo.save()
        try:
            _enhance(photo, request.user, form)
        except HiliError as error:
            photo.delete()
            form.add_error(None, ValidationError(error.sentence, code=error.code.value))
        else:
            return redirect("gallery:photo", photo.pk)
    return render(request, "gallery/new.html", {"form": form}, status=422)


@require_GET
def photo_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show one photo: working, enhanced, or why not."""
    return _page(request, _own_photo(request, pk), EnhanceForm(user=request.user))


@require_http_methods(["GET", "POST"])
def enhance_again(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Have a photo enhanced anew; what was made of it before is deleted."""
    photo = _own_photo(request, pk)
    if request.method != "POST":  # a page reloaded, or read in another language
        return redirect("gallery:photo", photo.pk)
    form = EnhanceForm(request.POST, user=request.user)
    if form.is_valid():
        earlier = list(_jobs_of(photo).values_list("pk", flat=True))
        try:
            _enhance(photo, request.user, form)
        except HiliError as error:
            form.add_error(None, ValidationError(error.sentence, code=error.code.value))
        else:
            delete_jobs(job_ids=earlier)
            return redirect("gallery:photo", photo.pk)
    return _page(request, photo, form, status=422)


@require_GET
def progress(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say how far a photo is, for the script that keeps the page up to date."""
    photo = _own_photo(request, pk)
    return JsonResponse(progress_words.of(_job_of(photo), conditions()).as_dict())


@require_GET
def before(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Stream the site's own photo."""
    photo = _own_photo(request, pk)
    kind = mimetypes.guess_type(photo.image.name)[0] or "application/octet-stream"
    try:
        return file_response(photo.image, request=request, content_type=kind)
    except FileNotFoundError:
        raise Http404 from None


@require_GET
def after(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Stream the result, to look at or with `?download` to save."""
    job = _job_of(_own_photo(request, pk))
    if job is None:
        raise Http404
    try:
        return photo_response(
            result_of(job), request=request, as_attachment="download" in request.GET
        )
    except HiliError:
        raise Http404 from None


@require_http_methods(["GET", "POST"])
def delete_photo(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete the photo, and with it everything made of it."""
    photo = _own_photo(request, pk)
    if request.method != "POST":
        return redirect("gallery:photo", photo.pk)
    photo.delete()
    return redirect("gallery:list")


def _enhance(photo: Photo, owner: Any, form: PhotoForm | EnhanceForm) -> PhotoJob:
    form.record_consents()
    return django_hili.enhance(
        photo.image,
        preset=form.cleaned_data["preset"],
        subject=owner,
        people_agreed=form.cleaned_data["people_agreed"],
    )


def _own_photo(request: HttpRequest, pk: UUID) -> Photo:
    return get_object_or_404(Photo.objects.of(request.user), pk=pk)


def _jobs_of(photo: Photo) -> Any:
    return PhotoJob.objects.filter(target_model=LABEL, target_pk=str(photo.pk))


def _job_of(photo: Photo) -> PhotoJob | None:
    return latest_jobs_of_targets(LABEL, [photo.pk]).get(str(photo.pk))


def _page(
    request: HttpRequest, photo: Photo, form: EnhanceForm, *, status: int = 200
) -> HttpResponse:
    job = _job_of(photo)
    sent = job.disclosures.filter(_ACCEPTED).order_by("-intended_at").first() if job else None
    context = {
        "photo": photo,
        "job": job,
        "sent": sent,
        "why_gone": why_gone(job) if job else None,
        "progress": progress_words.of(job, conditions()),
        "form": form,
    }
    return render(request, "gallery/photo.html", context, status=status)
