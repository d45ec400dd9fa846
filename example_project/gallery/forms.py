"""What a person may send: takes metadata away before anything is stored; stores nothing itself."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from django_hili.conf import get_settings
from django_hili.exceptions import HiliError
from django_hili.jobs.presets import presets_for
from django_hili.media.intake import clean_file
from django_hili.providers.registry import capabilities_of
from example_project.gallery.agreement import AgreementMixin
from example_project.gallery.models import Photo

FAVOURITE_PRESET = "photo-repair-2x"


class CleanPhotoField(forms.FileField):
    """A photo that leaves its metadata and its file name behind.

    Not a `forms.ImageField`: django-hili decides what a photo is and says why one is refused.
    """

    widget = forms.FileInput(attrs={"accept": "image/*"})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_empty_file=True, **kwargs)

    def clean(self, data: Any, initial: Any = None) -> Any:
        """Return the photo as a clean file. Raises `ValidationError` in django-hili's words."""
        if not data and initial:
            return initial
        try:
            return clean_file(data)
        except HiliError as error:
            raise ValidationError(error.sentence, code=error.code.value) from None


def preset_choices() -> list[tuple[str, Any]]:
    """Return the presets the site's provider can do."""
    presets = presets_for(capabilities_of(get_settings().default_provider))
    return [(preset.name, preset.label) for preset in presets]


def first_choice() -> str:
    """Return the preset that is chosen before anybody chooses."""
    names = [name for name, _label in preset_choices()]
    return FAVOURITE_PRESET if FAVOURITE_PRESET in names else names[0]


class EnhanceForm(AgreementMixin):
    """What shall be done with a photo."""

    preset = forms.ChoiceField(
        label=_("What shall be done"),
        choices=preset_choices,
        initial=first_choice,
        widget=forms.RadioSelect,
    )


class PhotoForm(AgreementMixin, forms.ModelForm):
    """A new photo and what shall be done with it."""

    image = CleanPhotoField(label=_("Photo"))
    preset = EnhanceForm.base_fields["preset"]

    class Meta:
        model = Photo
        fields = ["image", "title"]
