"""Searches the rows for what must never stand in them: providers' secrets and addresses.

Says in which table and column something was found, never what.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.db.models import CharField, Field, JSONField, Model, Q, TextField
from django.db.models.functions import Cast

from django_hili import queue
from django_hili.jobs.doctor.findings import Area, Finding, Level, Sign
from django_hili.models import Disclosure, PolicyVersion
from django_hili.providers.registry import build_provider

_SHORTEST = 6
"""A shorter secret would be found in any text by chance."""
_MOST_TASKS = 1000
_APPS = ("django_hili", "admin")


def look_for_secrets(aliases: Sequence[str], *, offline: bool) -> Iterator[Finding]:
    """Yield every column in which a secret or an address of a provider stands."""
    if offline:
        text = "The rows were not searched: a function may ask another machine for a secret."
        yield Finding(Area.SECRETS, Level.OK, Sign.SECRETS_NOT_ASKED, text)
        return
    needles: set[str] = set()
    for alias in aliases:
        try:
            needles.update(build_provider(alias).secrets())
        except Exception as error:  # noqa: BLE001 - a function may raise anything
            yield _unreadable(alias, error)
    wanted = sorted(needle for needle in needles if len(needle) >= _SHORTEST)
    places = list(_places(wanted)) if wanted else []
    if places:
        yield _found(places)
    else:
        text = "No secret and no address of a provider stands in the database."
        facts = {"looked_for": len(wanted)}
        yield Finding(Area.SECRETS, Level.OK, Sign.SECRETS_OK, text, facts=facts)


def _unreadable(alias: str, error: Exception) -> Finding:
    return Finding(
        Area.SECRETS,
        Level.ERROR,
        Sign.SECRET_UNREADABLE,
        f"A secret could not be read ({type(error).__name__}).",
        "Call the functions in its OPTIONS in `manage.py shell`.",
        alias,
    )


def _found(places: list[str]) -> Finding:
    return Finding(
        Area.SECRETS,
        Level.ERROR,
        Sign.SECRET_IN_ROWS,
        f"A provider's secret or address stands in the database: {', '.join(places)}.",
        "Have the provider give out a new secret, remove the text from these rows and from "
        "backups, and find out what wrote it.",
        facts={"places": places},
    )


def _places(needles: Sequence[str]) -> Iterator[str]:
    for model in _models():
        for field in model._meta.concrete_fields:
            is_text = isinstance(field, CharField | TextField | JSONField)
            if is_text and _stands_in(model, field, needles):
                yield f"{model._meta.db_table}.{field.column}"
    if queue.is_installed() and _stands_in_queue(needles):
        yield "the queue's tables"


def _models() -> Iterator[type[Model]]:
    for label in _APPS:
        if apps.is_installed(f"django.contrib.{label}") or label == "django_hili":
            yield from apps.get_app_config(label).get_models()


def _stands_in(model: type[Model], field: Field[Any, Any], needles: Sequence[str]) -> bool:
    wanted = Q()
    for needle in needles:
        is_there = Q(as_text__contains=needle)
        if _links_to_policies(model, field):
            # The host of a link that anybody may follow, even where the API is on that host.
            is_there &= ~Q(as_text__contains=f"//{needle}")
        wanted |= is_there
    rows = model._base_manager.annotate(as_text=Cast(field.name, TextField()))
    return rows.filter(wanted).exists()


def _links_to_policies(model: type[Model], field: Field[Any, Any]) -> bool:
    """Whether a vendor's own policy is named here, for everybody to read."""
    return model is PolicyVersion or (model, field.name) == (Disclosure, "processor_policy")


def _stands_in_queue(needles: Sequence[str]) -> bool:
    texts = queue.stored_texts(most=_MOST_TASKS)
    return any(needle in text for text in texts for needle in needles)
