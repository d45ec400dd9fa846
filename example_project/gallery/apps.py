"""Tells Django what the gallery is called and what it watches."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_delete
from django.utils.translation import gettext_lazy as _


class GalleryConfig(AppConfig):
    """The gallery: label `gallery`."""

    name = "example_project.gallery"
    label = "gallery"
    verbose_name = _("Gallery")

    def ready(self) -> None:
        """Delete a photo's file with its row, whichever way the row goes."""
        from example_project.gallery.models import Photo, delete_file

        post_delete.connect(delete_file, sender=Photo, dispatch_uid="gallery.delete_file")
