"""Brings the published policy up to the settings; knows no photo and no person."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from django_hili.models import PolicyVersion
from django_hili.privacy.consent.policies import differs_from_settings, publish, version_in_force


class Command(BaseCommand):
    """Publishes a new version of the policy where the settings have changed since the last.

    The demo changes them by itself when it is started with another provider. The first version
    is left to the first consent, as on any site.
    """

    help = "Publish the policy anew if the settings have changed since. Used by `make demo`."

    def handle(self, *args: Any, **options: Any) -> None:
        """Publish, and say so; do nothing where nothing has changed."""
        if PolicyVersion.objects.exists() and differs_from_settings(version_in_force()):
            version = publish()
            self.stdout.write(f"The settings have changed: policy version {version.number}.")
