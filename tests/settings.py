"""Settings of the test site. The database is chosen by HILI_TEST_DATABASE."""

from __future__ import annotations

import atexit
import importlib
import json
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests import egress

egress.put_up()
# Processes that tests start find the same folder by the variable; who made it removes it.
if not os.environ.get("HILI_TEST_DIR"):
    os.environ["HILI_TEST_DIR"] = tempfile.mkdtemp(prefix="hili-test-")
    atexit.register(shutil.rmtree, os.environ["HILI_TEST_DIR"], ignore_errors=True)
# Tests that run side by side (pytest -n) have a folder each, and so has what they start.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if WORKER and Path(os.environ["HILI_TEST_DIR"]).name != WORKER:
    os.environ["HILI_TEST_DIR"] = str(Path(os.environ["HILI_TEST_DIR"]) / WORKER)
BASE_DIR = Path(os.environ["HILI_TEST_DIR"])
BASE_DIR.mkdir(exist_ok=True)
SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
STATIC_URL = "static/"
ROOT_URLCONF = "tests.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_q",
    "rest_framework",
    "django_hili",
    "django_hili.sandbox",
    "tests.host",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def _database(kind: str) -> dict[str, object]:
    if kind == "postgres":
        name = os.environ.get("HILI_TEST_NAME", "hili")
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": os.environ.get("PGUSER", "postgres"),
            "HOST": os.environ.get("PGHOST", "127.0.0.1"),
            "PASSWORD": os.environ.get("PGPASSWORD", ""),
            "TEST": {"NAME": f"test_{name}"},
        }
    if kind == "mariadb":
        # PyMySQL needs no compiler; Django only asks which version it pretends to be.
        pymysql = importlib.import_module("pymysql")
        pymysql.version_info = (2, 2, 7, "final", 0)
        pymysql.install_as_MySQLdb()
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": os.environ.get("HILI_TEST_NAME", "hili"),
            "USER": os.environ.get("MYSQL_USER", "root"),
            "HOST": os.environ.get("MYSQL_HOST", "127.0.0.1"),
            "PASSWORD": os.environ.get("MYSQL_PASSWORD", ""),
            "OPTIONS": {"charset": "utf8mb4", "isolation_level": "read committed"},
        }
    path = Path(os.environ.get("HILI_TEST_NAME", ""))
    if not path.is_absolute():
        path = BASE_DIR / "test.sqlite3"
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "timeout": float(os.environ.get("HILI_TEST_LOCK_WAIT", "20")),
            "transaction_mode": "IMMEDIATE",
        },
        # A file, not memory: the worker's threads and processes have to see the same rows.
        "TEST": {"NAME": path},
    }


DATABASES = {"default": _database(os.environ.get("HILI_TEST_DATABASE", "sqlite"))}
MEDIA_ROOT = BASE_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "hili": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": BASE_DIR / "photos"},
    },
}
Q_CLUSTER = {
    "name": f"hili-tests{WORKER}",
    "orm": "default",
    "workers": 1,
    "timeout": 90,
    "retry": 120,
    "queue_limit": 1,
    "ack_failures": True,
    "poll": 0.2,
    "catch_up": False,
    "log_level": "WARNING",
}
if os.environ.get("HILI_TEST_BROKER") == "redis":
    del Q_CLUSTER["orm"]
    Q_CLUSTER["redis"] = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/9")
HILI = {
    "PRIVACY": {"CONTACT": "privacy@example.org", "HOME_REGION": "DE"},
    "WORKER": {"LEASE": timedelta(seconds=float(os.environ.get("HILI_TEST_LEASE", "60")))},
}
BOUND = {
    "POLICY_URL": "https://hili.example.org/privacy",
    "CONTACT": "privacy@hili.example.org",
    "AGREEMENT": "contract of 2026-01-02",
    "ASSESSED_ON": datetime.now(UTC).date(),
}
"""What a site says of a company that gets its photos."""
if _vendor := os.environ.get("HILI_TEST_VENDOR"):
    HILI["PROVIDERS"] = {
        "local": {"BACKEND": "django_hili.providers.local.LocalProvider"},
        "hili": {
            "BACKEND": "django_hili.providers.hili.HiliProvider",
            "OPTIONS": {
                "third_code": "sandbox",
                "secret_key": "sandbox-secret",
                "base_url": _vendor,
                "charging": os.environ.get("HILI_TEST_CHARGING", "upload"),
                **json.loads(os.environ.get("HILI_TEST_OPTIONS", "{}")),
            },
            **BOUND,
        },
    }
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.BasicAuthentication",
    ],
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
