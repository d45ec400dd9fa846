"""Settings of the example site. All it writes lies in one folder: `.demo`, or HILI_DEMO_DIR."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

EXAMPLE_PROVIDER = os.environ.get("EXAMPLE_PROVIDER", "local")
"""Who enhances: `local`, on this server; or `sandbox`, a stand-in for the Hili service that runs
beside the site, so that the whole way to a vendor and back can be watched on one machine."""

HERE = Path(__file__).resolve().parent
DATA_DIR = Path(os.environ.get("HILI_DEMO_DIR") or HERE.parent / ".demo").absolute()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)


def _own_secret(name: str) -> str:
    """Return a secret of this copy's own, made at first start: no two sites share one."""
    path = DATA_DIR / name
    try:
        with open(path, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as new:
            new.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    return path.read_text()


SECRET_KEY = _own_secret("secret-key")
DEBUG = os.environ.get("HILI_DEMO_DEBUG", "1") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    # First, so that its frame is the one around django-hili's pages and its words come first.
    "example_project.gallery",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_q",
    "rest_framework",
    "django_hili",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "example_project.middleware.private_pages",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "example_project.gallery.destination.where_photos_go",
            ]
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "site.sqlite3",
        "OPTIONS": {
            # Site and worker write to one file: readers never wait, writers wait their turn.
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;"
            ),
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def _private_folder(name: str) -> dict[str, object]:
    return {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": DATA_DIR / name,
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    }


STORAGES = {
    # There is no MEDIA_URL: photos are handed out by views that ask whose they are.
    "default": _private_folder("photos"),
    "hili": _private_folder("hili"),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Uploads stay in memory, under django-hili's cap: no copy is left in a temporary folder.
FILE_UPLOAD_HANDLERS = ["example_project.gallery.uploads.FormUploadHandler"]
STATIC_URL = "static/"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "gallery:list"
LOGOUT_REDIRECT_URL = "login"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", "English"),
    ("zh-hans", "简体中文"),
    ("ja", "日本語"),
    ("es", "español"),
    ("fr", "français"),
]

# Without DEBUG, Django would mail what went wrong to administrators that a demo has not.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["console"], "level": "ERROR", "propagate": False}},
}

Q_CLUSTER = {
    "name": "example",
    "orm": "default",
    "workers": 2,
    "timeout": 90,
    "retry": 120,
    "queue_limit": 1,
    "ack_failures": True,
    "save_limit": 20,
    "poll": 0.5,
    "catch_up": False,
    "log_level": "WARNING",
}

PROVIDERS = {
    "local": {"BACKEND": "django_hili.providers.local.LocalProvider"},
    "sandbox": {
        "BACKEND": "django_hili.providers.hili.HiliProvider",
        "OPTIONS": {
            "third_code": "album",
            "secret_key": lambda: _own_secret("sandbox-secret"),
            "base_url": os.environ.get("EXAMPLE_SANDBOX", "http://127.0.0.1:8090"),
            "exclusive_account": True,
            "low_credits": 2,
        },
        # The stand-in for a vendor runs on this machine: there is nobody to make a contract with.
        "POLICY_URL": "https://example.org/no-vendor-no-policy",
        "CONTACT": "nobody@example.org",
        "AGREEMENT": "none: the sandbox of this demo",
        "ASSESSED_ON": datetime.now(UTC).date(),
    },
}
HILI = {
    # Named alone, so that no photo can go anywhere else than the pages say.
    "PROVIDERS": {EXAMPLE_PROVIDER: PROVIDERS[EXAMPLE_PROVIDER]},
    "DEFAULT_PROVIDER": EXAMPLE_PROVIDER,
    # On a real site these lie where a backup of the photos does not reach.
    "VAULT": {"KEY_FOLDER": DATA_DIR / "keys", "EVIDENCE_FOLDER": DATA_DIR / "evidence"},
    "PRIVACY": {
        "CONTROLLER": "The photo album of this demo",
        "CONTACT": "privacy@example.org",
        "HOME_REGION": "DE",
        "RESULT_KEPT": timedelta(days=30),
    },
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.BasicAuthentication",
    ],
}
