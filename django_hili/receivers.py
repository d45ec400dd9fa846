"""The host's door: what happens on the host's side that concerns photos here.

Signals are the quick way, never the only one: a row that vanishes without a signal is found
by the sweep. They are connected for the models they concern and for no other, so that Django
goes on deleting the rest of the site's rows in one statement; and they ask nothing of a
database that does not hold our tables, or does not any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import AppConfig
from django.apps import apps as django_apps
from django.contrib.auth import get_user_model
from django.db import connections, router
from django.db.models import FileField, Model
from django.db.models.signals import post_delete, post_migrate, pre_migrate

from django_hili import queue
from django_hili.jobs.delete import delete_jobs_of_target
from django_hili.models import Chain, PhotoJob, Subject
from django_hili.privacy.erasure.vanished import cancel_user

_there: set[tuple[str, str]] = set()
"""Tables of ours that were seen, with their database; forgotten when something migrates."""


def connect_all() -> None:
    """Connect every receiver once."""
    pre_migrate.connect(look_again, dispatch_uid="django_hili.look_again")
    post_migrate.connect(make_schedule, dispatch_uid="django_hili.make_schedule")
    post_migrate.connect(begin_chain, dispatch_uid="django_hili.begin_chain")
    for model in _models_with_photos():
        post_delete.connect(
            erase_with_target, sender=model, dispatch_uid="django_hili.erase_with_target"
        )
    for model in _kin(get_user_model()):
        post_delete.connect(
            cancel_with_user, sender=model, dispatch_uid="django_hili.cancel_with_user"
        )


def look_again(**_: Any) -> None:
    """Tables come and go with migrations."""
    _there.clear()


def make_schedule(sender: AppConfig, using: str, apps: Any = django_apps, **_: Any) -> None:
    """After django-q2's tables exist: have it look once a minute for what is due."""
    if sender.label == "django_q" and queue.is_installed():
        queue.ensure_schedule(using=using, apps=apps)


def begin_chain(sender: AppConfig, using: str, apps: Any = django_apps, **_: Any) -> None:
    """Before the first photo: a copy of the database always says which receipts it belongs to."""
    if sender.label != Chain._meta.app_label or not router.allow_migrate_model(using, Chain):
        return
    try:
        apps.get_model(Chain._meta.label)
    except LookupError:  # migrated back to before there was such a table
        return
    if _is_there(Chain, using):
        Chain.objects.using(using).get_or_create(pk=1)


def erase_with_target(sender: type[Model], instance: Any, **_: Any) -> None:
    """A host's row is deleted: what was made of its photo goes with it."""
    if instance.pk is not None and _is_there(PhotoJob):
        labels = [model._meta.label_lower for model in _kin(sender)]
        delete_jobs_of_target(model_labels=labels, pk=str(instance.pk))


def cancel_with_user(instance: Any, **_: Any) -> None:
    """A user is deleted: everything about them goes with them."""
    if instance.pk is not None and _is_there(Subject):
        cancel_user(user_key=str(instance.pk))


def _models_with_photos() -> Iterator[type[Model]]:
    """Yield every model of the site a job can come from: a row is remembered by its file field."""
    for model in django_apps.get_models():
        if any(isinstance(field, FileField) for field in model._meta.get_fields()):
            yield model


def _kin(model: type[Model]) -> list[type[Model]]:
    """Return a model and its proxies: one row may be deleted, or enhanced, as any of them."""
    concrete = model._meta.concrete_model
    return [other for other in django_apps.get_models() if other._meta.concrete_model is concrete]


def _is_there(model: type[Model], using: str | None = None) -> bool:
    """Say whether the database has the table; asked until it is there, and then no more."""
    database = using or router.db_for_write(model)
    table = (database, model._meta.db_table)
    if table not in _there:
        connection = connections[database]
        with connection.cursor() as cursor:
            found = connection.introspection.table_names(cursor)
        if model._meta.db_table in found:
            _there.add(table)
    return table in _there
