"""Staff's view of the gallery, with *Enhance selected photos*."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_hili.admin import EnhancePhotosMixin
from example_project.gallery.forms import CleanPhotoField
from example_project.gallery.models import Photo


class NewPhotoForm(forms.ModelForm):
    """A photo added by staff loses its metadata as any other does."""

    image = CleanPhotoField(label=_("Photo"))


@admin.register(Photo)
class PhotoAdmin(EnhancePhotosMixin, admin.ModelAdmin):
    """Photos by owner. A photo's file is set once; there is no public address to look at it."""

    form = NewPhotoForm
    list_display = ["__str__", "owner", "size", "created"]
    list_filter = ["created"]
    search_fields = ["title", "owner__username"]
    autocomplete_fields = ["owner"]
    date_hierarchy = "created"
    enhance_photo_field = "image"

    def get_photo_subject(self, obj: Any) -> Any:
        """The photo is its owner's."""
        return obj.owner

    def get_fields(self, request: HttpRequest, obj: Photo | None = None) -> list[str]:
        """Take the file when a photo is added, show its size afterwards."""
        return ["title", "owner", "image"] if obj is None else ["title", "owner", "size", "created"]

    def get_readonly_fields(self, request: HttpRequest, obj: Photo | None = None) -> list[str]:
        """What cannot be changed on an existing photo."""
        return [] if obj is None else ["size", "created"]

    @admin.display(description=_("size"))
    def size(self, photo: Photo) -> str:
        """Width × height in pixels."""
        return f"{photo.width}×{photo.height}"
