"""Settings of the simulation: everything in memory, one provider that exists nowhere else."""

from __future__ import annotations

from datetime import date

from tests.settings import *  # noqa: F403 - the test site, but for what follows
from tests.settings import BOUND, HILI, INSTALLED_APPS

INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "django_q"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "hili": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
}
HILI = {
    **HILI,
    "PROVIDERS": {
        "sim": {
            "BACKEND": "tests.chaos.sim_vendor.SimProvider",
            **BOUND,
            "ASSESSED_ON": date(2029, 12, 1),
        }
    },
    "DEFAULT_PROVIDER": "sim",
}
LOGGING_CONFIG = None
