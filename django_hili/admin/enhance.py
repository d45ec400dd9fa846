"""*Enhance selected photos* on a site's own ModelAdmin, with a page to confirm first.

Owns the form and the page. It decides nothing: it calls `plan` to say what would be done and
`submit_many` to do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_hili.admin.batches import jobs_of_batch
from django_hili.admin.verbs import cost_of, log_text
from django_hili.codes import Code, sentence
from django_hili.conf import get_settings
from django_hili.exceptions import Problem
from django_hili.jobs.batch import Item, submit_many
from django_hili.jobs.estimate import batch_problems
from django_hili.jobs.presets import presets_for
from django_hili.jobs.submit import plan
from django_hili.models import Basis, PhotoBatch
from django_hili.privacy.erasure.retention import result_deadline
from django_hili.providers.registry import capabilities_of, provider_aliases

ENHANCE = "django_hili.add_photojob"
ACTION = "enhance_selected_photos"

if TYPE_CHECKING:
    _Base = admin.ModelAdmin
else:
    _Base = object


_FOR_STAFF = {
    Code.AGE_NEEDED: _("The person has to say how old they are, and agree, before this is done."),
    Code.CONSENT_NEEDED: _(
        "The person has to agree first, at the site: you cannot do it for them."
    ),
}
"""What refusals read where it is not the person who reads them."""


class EnhanceForm(forms.Form):
    """What shall be done, by whom, on what ground."""

    provider = forms.ChoiceField(label=_("Enhanced by"), widget=forms.HiddenInput)
    preset = forms.ChoiceField(label=_("What shall be done"), widget=forms.RadioSelect)
    basis = forms.ChoiceField(
        label=_("Why these photos may be processed"),
        choices=[(Basis.CONSENT, _("The person agreed, and so did everybody shown")),
                 (Basis.ATTESTATION, _("I attest that we may process them")),
                 (Basis.NO_PERSONAL_DATA, _("They hold no personal data"))],
        widget=forms.RadioSelect,
    )  # fmt: skip
    reason = forms.CharField(
        label=_("The reason, where you attest it"), max_length=200, required=False
    )

    def __init__(self, *args: Any, provider: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        presets = presets_for(capabilities_of(provider))
        choice(self, "provider").choices = [(alias, alias) for alias in provider_aliases()]
        choice(self, "preset").choices = [(preset.name, preset.label) for preset in presets]
        self.fields["provider"].initial = provider
        if presets:
            self.fields["preset"].initial = presets[0].name

    def clean(self) -> dict[str, Any]:
        """Ask for the reason of an attestation. Clauses C04: HILI-1.6, PIXEL-1.1.6, MIAO-3."""
        words: dict[str, Any] = super().clean() or {}
        if words.get("basis") == Basis.ATTESTATION and not words.get("reason", "").strip():
            self.add_error("reason", sentence(Code.BASIS_MISSING))
        return words


def choice(form: forms.Form, name: str) -> forms.ChoiceField:
    """Return a form's choice field as one."""
    field = form.fields[name]
    if not isinstance(field, forms.ChoiceField):
        raise TypeError(f"{name} is no choice")
    return field


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a batch on submission."""

    batch: PhotoBatch | None
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
        limit = get_settings().limits.max_photos_per_batch
        rows = self._rows_with_photos(queryset, most=limit + 1)
        if not rows or len(rows) > limit:
            text = _("Choose between 1 and %(limit)d rows that have a photo.") % {"limit": limit}
            self.message_user(request, text, messages.ERROR)
            return None
        provider = request.POST.get("provider") or get_settings().default_provider
        if provider not in provider_aliases():
            provider = get_settings().default_provider
        # A page that told the terms of another provider confirms nothing.
        was_told = request.POST.get("shown_provider", provider) == provider
        confirmed = "confirm" in request.POST and was_told
        form = EnhanceForm(request.POST if confirmed else None, provider=provider)
        problems = list(batch_problems(len(rows), capabilities_of(provider), None))
        if problems or not (confirmed and form.is_valid()):
            return self._confirm_page(request, rows, form, provider, problems)
        return self._submit_all(request, rows, form.cleaned_data)

    def _rows_with_photos(self, queryset: QuerySet[Any], *, most: int) -> list[Any]:
        """Read no more of a selection than can be used: *all 90 000* is one click."""
        chosen = queryset.iterator(chunk_size=most)
        return list(islice((row for row in chosen if getattr(row, self.enhance_photo_field)), most))

    def _confirm_page(
        self, request: HttpRequest, rows: Sequence[Any], form: EnhanceForm, provider: str,
        problems: Sequence[Problem],
    ) -> TemplateResponse:  # fmt: skip
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
            "costs": [cost_of(provider, len(rows))],
            "problems": problems,
            "kept_until": result_deadline(timezone.now()),
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "admin/django_hili/enhance_confirm.html", context)

    def _submit_all(
        self, request: HttpRequest, rows: Sequence[Any], choices: dict[str, Any]
    ) -> HttpResponse:
        outcome = submit_many(
            [
                Item(getattr(row, self.enhance_photo_field), self.get_photo_subject(row))
                for row in rows
            ],
            enhancement=plan(preset=choices["preset"], provider=choices["provider"]),
            preset=choices["preset"],
            provider=choices["provider"],
            requested_by=request.user,
            basis=Basis(choices["basis"]),
            reason=choices["reason"],
            people_agreed=choices["basis"] == Basis.CONSENT,
        )
        refused = {
            number: str(_FOR_STAFF.get(error.code, error.sentence))
            for number, error in outcome.refused
        }
        for number, row in enumerate(rows):
            if number not in refused:
                self.log_change(request, row, log_text("photo enhancement", choices["preset"]))
        named = [(str(rows[number]), text) for number, text in refused.items()]
        self._tell(request, _Outcome(outcome.batch, len(outcome.jobs), named))
        return HttpResponseRedirect(request.get_full_path())

    def _tell(self, request: HttpRequest, outcome: _Outcome) -> None:
        if outcome.batch is not None:
            text = ngettext(
                "%(count)d photo is being enhanced.",
                "%(count)d photos are being enhanced.",
                outcome.queued,
            ) % {"count": outcome.queued}
            words = ngettext("Follow it", "Follow them", outcome.queued)
            link = format_html('{} <a href="{}">{}</a>', text, jobs_of_batch(outcome.batch), words)
            self.message_user(request, link, messages.SUCCESS)
        if outcome.refused:
            lines = format_html_join("", "<br>{}: {}", outcome.refused)
            text = ngettext(
                "%(count)d photo was not taken:", "%(count)d photos were not taken:",
                len(outcome.refused),
            ) % {"count": len(outcome.refused)}  # fmt: skip
            self.message_user(request, format_html("{}{}", text, lines), messages.WARNING)
