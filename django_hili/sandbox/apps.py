"""Own the sandbox's registration with Django; must not start a thread or ask the database."""

from __future__ import annotations

from django.apps import AppConfig


class SandboxConfig(AppConfig):
    """Register the sandbox under a label of its own, so that it can live in any site."""

    name = "django_hili.sandbox"
    label = "hili_sandbox"
    verbose_name = "Hili sandbox"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system check once the apps are loaded."""
        from django_hili.sandbox import checks  # noqa: F401 - registers on import
