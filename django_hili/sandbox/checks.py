"""Own the system check of a mounted sandbox; must not ask the database or the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks

from django_hili.sandbox.behaviour import Behaviour

_KNOWN = ("FOLDER", "WORKERS", "THIRD_CODE", "SECRET_KEY", "CREDITS", "CHARGING", "BEHAVIOUR")
_DOCS = "See https://github.com/django-hili/django-hili/blob/main/docs/reference/sandbox.md"


@checks.register()
def check_settings(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Hold ``HILI_SANDBOX`` against the names it may have."""
    wanted = getattr(settings, "HILI_SANDBOX", {})
    unknown = sorted(set(wanted) - set(_KNOWN))
    found: list[checks.CheckMessage] = [
        checks.Error(f"HILI_SANDBOX has no {name!r}.", hint=_DOCS, id="hili_sandbox.E001")
        for name in unknown
    ]
    if bool(wanted.get("THIRD_CODE")) != bool(wanted.get("SECRET_KEY")):
        message = "HILI_SANDBOX names THIRD_CODE and SECRET_KEY together or not at all."
        found.append(checks.Error(message, hint=_DOCS, id="hili_sandbox.E002"))
    try:
        Behaviour().changed(wanted.get("BEHAVIOUR", {}))
    except ValueError as error:
        message = f"HILI_SANDBOX['BEHAVIOUR']: {error}."
        found.append(checks.Error(message, hint=_DOCS, id="hili_sandbox.E003"))
    return found


@checks.register(deploy=True)
def check_deployed(**_kwargs: Any) -> Sequence[checks.CheckMessage]:
    """Ask for a second thought where a public site carries the sandbox."""
    if settings.DEBUG:
        return []
    message = "The Hili sandbox is installed on a deployed site."
    hint = "It accepts photos for its partners and breaks them on purpose. " + _DOCS
    return [checks.Warning(message, hint=hint, id="hili_sandbox.W001")]
