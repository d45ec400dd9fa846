"""A host site's own model with a photo."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Portrait(models.Model):
    """Somebody's portrait."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True)
    title = models.CharField(max_length=50)
    image = models.ImageField(upload_to="portraits")

    def __str__(self) -> str:
        return self.title


class Headshot(Portrait):
    """A portrait under another name."""

    class Meta:
        proxy = True
