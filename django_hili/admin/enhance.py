"""*Enhance selected photos* on a site's own ModelAdmin, with a page to confirm first.

Owns the form and the page. It decides nothing: it calls `plan` to say what would be done and
`submit` to do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_hili.conf import get_settings
from django_hili.exceptions import HiliError
from django_hili.jobs.presets import presets_for
from django_hili.jobs.submit import plan, start_batch, submit
from django_hili.models import Basis, PhotoBatch
from django_hili.privacy.retention import result_deadline
from django_hili.providers.registry import capabilities_of, provider_aliases
from django_hili.vocabulary import Capabilities

ENHANCE = "django_hili.add_photojob"
ACTION = "enhance_selected_photos"

if TYPE_CHECKING:
    _Base = admin.ModelAdmin
else:
    _Base = object


class EnhanceForm(forms.Form):
    """What shall be done, by whom, on what ground."""

    provider = forms.ChoiceField(label=_("Enhanced by"), widget=forms.HiddenInput)
    preset = forms.ChoiceField(label=_("What shall be done"), widget=forms.RadioSelect)
    basis = forms.ChoiceField(
        label=_("Why these photos may be processed"),
        choices=[(Basis.CONSENT, _("The person in the photo asked for it")),
                 (Basis.ATTESTATION, _("I attest that we may process them")),
                 (Basis.NO_PERSONAL_DATA, _("They hold no personal data"))],
        widget=forms.RadioSelect,
    )  # fmt: skip

    def __init__(self, *args: Any, provider: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        presets = presets_for(capabilities_of(provider))
        choice(self, "provider").choices = [(alias, alias) for alias in provider_aliases()]
        choice(self, "preset").choices = [(preset.name, preset.label) for preset in presets]
        self.fields["provider"].initial = provider
        if presets:
            self.fields["preset"].initial = presets[0].name


def choice(form: forms.Form, name: str) -> forms.ChoiceField:
    """Return a form's choice field as one."""
    field = form.fields[name]
    if not isinstance(field, forms.ChoiceField):
        raise TypeError(f"{name} is no choice")
    return field


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a batch on submission."""

    batch: PhotoBatch
    queued: int
    refused: Sequence[tuple[str, str]]
    """The row's label and the sentence why."""


class EnhancePhotosMixin(_Base):
    """Adds *Enhance selected photos* to a ModelAdmin. Name the photo's field.

    Needs the permission to add photo jobs. Override `get_photo_subject` so that the people in
    the photos can see and delete what was made of them.
    """

    enhance_photo_field = "image"
    """The ImageField or FileField that holds the photo."""

    def get_photo_subject(self, obj: Any) -> Any:
        """Return the user whose photo this is, or None if it belongs to no user."""
        del obj

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Added here and not by get_actions(): its signature differs between versions of Django.
        self.actions = [*(self.actions or ()), ACTION]

    def has_enhance_photos_permission(self, request: HttpRequest) -> bool:
        """Whether the action is offered: it takes the permission to add photo jobs."""
        return bool(request.user.has_perm(ENHANCE))

    @admin.action(description=_("Enhance selected photos"), permissions=["enhance_photos"])
    def enhance_selected_photos(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """Show the page to confirm, or do what was confirmed."""
        rows = [row for row in queryset if getattr(row, self.enhance_photo_field)]
        limit = get_settings().limits.max_photos_per_batch
        if not rows or len(rows) > limit:
            text = _("Choose between 1 and %(limit)d rows that have a photo.") % {"limit": limit}
            self.message_user(request, text, messages.ERROR)
            return None
        provider = request.POST.get("provider") or get_settings().default_provider
        if provider not in provider_aliases():
            provider = get_settings().default_provider
        confirmed = "confirm" in request.POST
        form = EnhanceForm(request.POST if confirmed else None, provider=provider)
        if not (confirmed and form.is_valid()):
            return self._confirm_page(request, rows, form, provider)
        return self._submit_all(request, rows, form.cleaned_data)

    def _confirm_page(
        self, request: HttpRequest, rows: Sequence[Any], form: EnhanceForm, provider: str
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Enhance photos"),
            "opts": self.model._meta,
            "rows": rows,
            "form": form,
            "action": ACTION,
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "provider": provider,
            "providers": provider_aliases(),
            "capabilities": capabilities_of(provider),
            "credits": _credits(capabilities_of(provider), len(rows)),
            "kept_until": result_deadline(timezone.now()),
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "admin/django_hili/enhance_confirm.html", context)

    def _submit_all(
        self, request: HttpRequest, rows: Sequence[Any], choices: dict[str, Any]
    ) -> HttpResponse:
        enhancement = plan(preset=choices["preset"], provider=choices["provider"])
        batch = start_batch(requested_by=request.user)
        refused = []
        for row in rows:
            try:
                submit(
                    getattr(row, self.enhance_photo_field),
                    enhancement=enhancement,
                    preset=choices["preset"],
                    provider=choices["provider"],
                    subject=self.get_photo_subject(row),
                    requested_by=request.user,
                    basis=Basis(choices["basis"]),
                    batch=batch,
                )
            except HiliError as error:
                refused.append((str(row), error.sentence))
            else:
                self.log_change(request, row, _log_text(choices["preset"]))
        self._tell(request, _Outcome(batch, len(rows) - len(refused), refused))
        return HttpResponseRedirect(request.get_full_path())

    def _tell(self, request: HttpRequest, outcome: _Outcome) -> None:
        if outcome.queued:
            text = ngettext(
                "%(count)d photo is being enhanced.",
                "%(count)d photos are being enhanced.",
                outcome.queued,
            ) % {"count": outcome.queued}
            address = reverse("admin:django_hili_photojob_changelist")
            link = format_html(
                '{} <a href="{}?batch__id__exact={}">{}</a>',
                text,
                address,
                outcome.batch.pk,
                _("Follow them"),
            )
            self.message_user(request, link, messages.SUCCESS)
        if outcome.refused:
            lines = format_html_join("", "<br>{}: {}", outcome.refused)
            text = ngettext(
                "%(count)d photo was not taken:", "%(count)d photos were not taken:",
                len(outcome.refused),
            ) % {"count": len(outcome.refused)}  # fmt: skip
            self.message_user(request, format_html("{}{}", text, lines), messages.WARNING)


def _credits(capabilities: Capabilities, photos: int) -> int:
    return capabilities.credits_per_send * photos


def _log_text(preset: str) -> list[dict[str, dict[str, Any]]]:
    return [{"changed": {"name": "photo enhancement", "object": preset, "fields": []}}]
