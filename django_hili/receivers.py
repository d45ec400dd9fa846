"""The host's door: what happens on the host's side that concerns photos here.

Signals are the quick way, never the only one: a row that vanishes without a signal is found
by the sweep.
"""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_migrate

from django_hili import queue
from django_hili.jobs.delete import delete_jobs_of_target
from django_hili.models import PhotoJob


def connect_all() -> None:
    """Connect every receiver once."""
    post_migrate.connect(make_schedule, dispatch_uid="django_hili.make_schedule")
    post_delete.connect(erase_with_target, dispatch_uid="django_hili.erase_with_target")


def make_schedule(sender: AppConfig, **_: Any) -> None:
    """After django-q2's tables exist: have it look once a minute for what is due."""
    if sender.label == "django_q" and queue.is_installed():
        queue.ensure_schedule()


def erase_with_target(sender: Any, instance: Any, **_: Any) -> None:
    """A host's row is deleted: what was made of its photo goes with it."""
    if instance.pk is None or sender._meta.app_label == PhotoJob._meta.app_label:
        return
    if _is_target(sender._meta.label_lower):
        delete_jobs_of_target(model_label=sender._meta.label_lower, pk=str(instance.pk))


def _is_target(model_label: str) -> bool:
    return PhotoJob.objects.filter(target_model=model_label).exists()
