"""A person's photo as the site keeps it; knows nothing of how photos are enhanced."""

from __future__ import annotations

import uuid
from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _


def random_name(photo: Photo, filename: str) -> str:
    """Return a name that says nothing about the photo, the person or the upload."""
    del photo
    return f"{uuid.uuid4().hex}{PurePath(filename).suffix}"


class PhotoQuerySet(models.QuerySet["Photo"]):
    """Questions about photos."""

    def of(self, user: Any) -> PhotoQuerySet:
        """The user's own photos."""
        return self.filter(owner=user)


class Photo(models.Model):
    """One photo of one person."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, verbose_name=_("owner")
    )
    title = models.CharField(_("title"), max_length=80, blank=True)
    image = models.ImageField(
        _("photo"), upload_to=random_name, width_field="width", height_field="height"
    )
    width = models.PositiveIntegerField(_("width"), editable=False)
    height = models.PositiveIntegerField(_("height"), editable=False)
    created = models.DateTimeField(_("added"), auto_now_add=True)

    objects = PhotoQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]
        verbose_name = _("photo")
        verbose_name_plural = _("photos")

    def __str__(self) -> str:
        return self.title or str(_("Untitled"))


def delete_file(*, instance: Photo, **_: Any) -> None:
    """Delete the file once the row's deletion has committed."""
    storage, name = instance.image.storage, instance.image.name
    if name:
        transaction.on_commit(lambda: storage.delete(name), robust=True)
