"""The host's admin with our action on it."""

from __future__ import annotations

from django.contrib import admin

from django_hili.admin import EnhancePhotosMixin
from tests.host.models import Portrait


@admin.register(Portrait)
class PortraitAdmin(EnhancePhotosMixin, admin.ModelAdmin):
    """Portraits, with enhancement."""

    enhance_photo_field = "image"

    def get_photo_subject(self, obj):
        """The portrait belongs to its owner."""
        return obj.owner
