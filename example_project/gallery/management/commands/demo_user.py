"""Makes the demo's user; knows no photo."""

from __future__ import annotations

import os
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

NAME = "demo"


class Command(BaseCommand):
    """Sees to it that the demo's user exists and has the given password."""

    help = "Make the user `demo`, with the password in HILI_DEMO_PASSWORD. Used by `make demo`."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the user, or give an existing one the password."""
        user, _is_new = get_user_model().objects.get_or_create(
            username=NAME, defaults={"is_staff": True, "is_superuser": True}
        )
        password = os.environ["HILI_DEMO_PASSWORD"]
        if not user.check_password(password):
            user.set_password(password)
            user.save(update_fields=["password"])
