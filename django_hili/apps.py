"""Tells Django what this app is called and what it connects at start-up."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DjangoHiliConfig(AppConfig):
    """The app: label `django_hili`, big-integer keys where a model names no other."""

    name = "django_hili"
    label = "django_hili"
    verbose_name = _("Photo enhancement")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register system checks and the receivers that watch the host's side."""
        from django_hili import checks, receivers

        checks.register_all()
        receivers.connect_all()
