"""*Process again* on the page of an ended job: other choices, what they cost, and the new job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from django_hili.admin.verbs import ADD, cost_of, log_text
from django_hili.exceptions import HiliError, InvalidOptionsError
from django_hili.jobs.again import process_again
from django_hili.jobs.committing import commits_by_itself
from django_hili.jobs.retry import origin_of
from django_hili.models import PhotoJob
from django_hili.providers.registry import capabilities_of, provider_aliases
from django_hili.vocabulary import BACKGROUND_LABELS, IMAGE_TYPE_LABELS, OPERATION_LABELS, ImageType

if TYPE_CHECKING:
    _Base = admin.ModelAdmin
else:
    _Base = object


class AgainForm(forms.Form):
    """Other choices for a photo; it starts with those of before."""

    operations = forms.MultipleChoiceField(
        label=_("What shall be done"), widget=forms.CheckboxSelectMultiple
    )
    image_type = forms.ChoiceField(label=_("Image type"))
    scale = forms.ChoiceField(label=_("Scale"), required=False)
    background = forms.ChoiceField(label=_("Background"), required=False)

    def __init__(self, *args: Any, job: PhotoJob, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        can = capabilities_of(job.provider)
        self._offer("operations", [(op, OPERATION_LABELS[op]) for op in can.offered])
        types = [kind for kind in ImageType if kind in can.image_types]
        self._offer("image_type", [(kind, IMAGE_TYPE_LABELS[kind]) for kind in types])
        none = _("the provider picks") if can.picks_scale else "–"
        self._offer("scale", [("", none), *((str(n), f"{n}×") for n in can.scales)])
        names = [(name, BACKGROUND_LABELS.get(name, name)) for name in sorted(can.backgrounds)]
        self._offer("background", [("", "–"), *names])
        self.initial = {
            "operations": job.operations,
            "image_type": job.image_type,
            "scale": str(job.scale or ""),
            "background": job.background,
        }

    @property
    def choices(self) -> dict[str, Any]:
        """The choices as the verb takes them."""
        found = self.cleaned_data
        return {
            "operations": found["operations"],
            "image_type": found["image_type"],
            "scale": int(found["scale"]) if found["scale"] else None,
            "background": found["background"] or None,
        }

    def refuse(self, error: InvalidOptionsError) -> None:
        """Say beside each field what is wrong with it."""
        for problem in error.problems:
            name = problem.field if problem.field in self.fields else None
            self.add_error(name, problem.sentence)

    def _offer(self, name: str, choices: list[Any]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices


class AgainMixin(_Base):
    """The page for other choices."""

    def get_urls(self) -> list[URLPattern]:
        """Add its address."""
        view = commits_by_itself(self.admin_site.admin_view(self.again_view))
        own = path("<uuid:job_id>/again/", view, name="django_hili_photojob_again")
        return [own, *super().get_urls()]

    def again_view(self, request: HttpRequest, job_id: str) -> HttpResponse:
        """Ask for other choices, or make the new job and go to its page."""
        if not request.user.has_perm(ADD):
            raise PermissionDenied
        job = PhotoJob.objects.filter(pk=job_id).first()
        if job is None or not job.is_ended or job.provider not in provider_aliases():
            raise Http404
        form = AgainForm(request.POST or None, job=job)
        again = self._made(request, job, form) if form.is_valid() else None
        if again is not None:
            page = reverse("admin:django_hili_photojob_change", args=[again.pk])
            return HttpResponseRedirect(page)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Process again"),
            "opts": self.model._meta,
            "job": job,
            "form": form,
            "origin": origin_of(job, job.provider),
            "capabilities": capabilities_of(job.provider),
            "costs": [cost_of(job.provider, 1)],
            "back": reverse("admin:django_hili_photojob_change", args=[job.pk]),
        }
        return TemplateResponse(request, "admin/django_hili/again.html", context)

    def _made(self, request: HttpRequest, job: PhotoJob, form: AgainForm) -> PhotoJob | None:
        try:
            again = process_again(job_id=job.pk, requested_by=request.user, **form.choices)
        except InvalidOptionsError as error:
            form.refuse(error)
            return None
        except HiliError as error:
            self.message_user(request, error.sentence, messages.ERROR)
            return None
        self.log_change(request, job, log_text("process again", str(again.pk)))
        self.message_user(request, _("The photo is being processed again."), messages.SUCCESS)
        return again
