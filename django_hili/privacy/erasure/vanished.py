"""Finds people whose account at the site is gone, and photos whose row there is, and ends them.

However a site deletes a row: a signal is the quick way, this look the sure one.
Clauses C32: AIART-5.3, PIXEL-6.4, MIAO-8.4.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Collection, Iterator
from typing import Any, Final

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import DatabaseError, router, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from django_hili.exceptions import log_name
from django_hili.models import EraseCause, Message, PhotoJob, Subject
from django_hili.privacy.audit import synthetic
from django_hili.privacy.erasure.deletion import delete_with_photos
from django_hili.privacy.rights.exercise import cancel_account
from django_hili.privacy.rights.messages import forget

logger = logging.getLogger(__name__)

PAGE: Final = 500
"""People or photos that one question to a table of the site's is about."""
GRACE: Final = dt.timedelta(hours=1)
"""A younger job is left alone: the site's row may be in an open transaction."""


def vanished_subjects(now: dt.datetime | None = None) -> Iterator[uuid.UUID]:
    """Yield the references of people whose user is in the site's table no more."""
    after: uuid.UUID | None = None
    while page := _page(after, now or timezone.now()):
        after = page[-1][0]
        there = _there([user_key for _, user_key in page])
        yield from (ref for ref, user_key in page if user_key not in there)


def cancel_vanished(now: dt.datetime | None = None) -> int:
    """Cancel the accounts of people who are gone. Returns how many.

    Whoever cannot be cancelled stands in nobody else's way, and is tried again by the next look;
    until then the audit counts them.
    """
    return sum(_is_cancelled(subject_ref) for subject_ref in list(vanished_subjects(now)))


def _is_cancelled(subject_ref: uuid.UUID) -> bool:
    try:
        if synthetic.is_nobody(subject_ref):  # a trial that was killed
            synthetic.end_nobody(subject_ref)
        else:
            cancel_account(subject_ref=subject_ref)
    except Exception as error:  # noqa: BLE001 - also the site's code; tried again
        logger.warning("Somebody who is gone could not be cancelled: %s.", log_name(error))
        return False
    return True


def jobs_of_vanished_rows(now: dt.datetime | None = None) -> Iterator[uuid.UUID]:
    """Yield the jobs whose photo came from a row that is in the site's table no more.

    A model that the site does not have any more, or whose table does not answer, says nothing.
    """
    old = PhotoJob.objects.filter(created_at__lte=(now or timezone.now()) - GRACE)
    labels = old.exclude(target_model="").order_by("target_model").values_list("target_model")
    for (label,) in labels.distinct():
        try:
            model = apps.get_model(label)
        except LookupError:
            continue
        after: uuid.UUID | None = None
        jobs = old.filter(target_model=label).order_by("pk").values_list("pk", "target_pk")
        while page := list((jobs.filter(pk__gt=after) if after else jobs)[:PAGE]):
            after = page[-1][0]
            there = _rows_there(model, {key for _, key in page})
            yield from (pk for pk, key in page if key not in there)


def delete_jobs_of_vanished_rows(now: dt.datetime | None = None) -> int:
    """Delete what was made of photos whose row is gone. Returns how many jobs."""
    gone = list(jobs_of_vanished_rows(now))
    for first in range(0, len(gone), PAGE):
        delete_with_photos(job_ids=gone[first : first + PAGE], cause=EraseCause.REQUESTED)
    return len(gone)


def delete_cut_off() -> int:
    """Delete the jobs and photos of people whose link has been cut. Returns how many jobs.

    Cancelling deletes them itself; this is for what came by a way that cancelling knows nothing
    of. Clauses C32: HILI-6, AIART-5.3, PIXEL-6.4, MIAO-8.4.
    """
    linked = Subject.objects.filter(pk=OuterRef("subject_ref"), user_key__isnull=False)
    jobs = PhotoJob.objects.filter(~Exists(linked), subject_ref__isnull=False)
    gone = 0
    while page := list(jobs.values_list("pk", flat=True)[:PAGE]):
        gone += delete_with_photos(job_ids=page, cause=EraseCause.CANCELLED).jobs
    return gone


def drop_messages() -> int:
    """Delete messages to users who are gone, also those whose link had been cut before."""
    waiting = Message.objects.exclude(user_key=None).order_by("user_key")
    keys, dropped = waiting.values_list("user_key", flat=True).distinct(), 0
    after = ""
    while page := [key or "" for key in keys.filter(user_key__gt=after)[:PAGE]]:
        after = page[-1]
        there = _there(page)
        dropped += sum(forget(key) for key in page if key not in there)
    return dropped


def cancel_user(*, user_key: str) -> bool:
    """Cancel the account of one user who is being deleted; say whether there was anything."""
    ref = Subject.objects.filter(user_key=user_key).values_list("ref", flat=True).first()
    if ref is None:
        return False
    cancel_account(subject_ref=ref)
    return True


def _page(after: uuid.UUID | None, now: dt.datetime) -> list[tuple[uuid.UUID, str]]:
    linked = Subject.objects.exclude(user_key=None).order_by("ref")
    linked = linked.exclude(
        user_key__startswith=synthetic.PREFIX,
        created_at__gt=now - synthetic.LONGEST_TRIAL,
    )
    if after is not None:
        linked = linked.filter(ref__gt=after)
    return [(ref, key or "") for ref, key in linked.values_list("ref", "user_key")[:PAGE]]


def _there(user_keys: list[str]) -> set[str]:
    """Return those of the keys that still have a user; a key no user can have has none."""
    return _keys_there(get_user_model(), user_keys)


def _rows_there(model: Any, keys: set[str]) -> set[str]:
    """Return those of the keys that still have a row, and those of which it cannot be told."""
    try:
        with transaction.atomic(using=router.db_for_write(model)):
            readable = {key for key in keys if _is_readable(model, key)}
            return _keys_there(model, readable) | (keys - readable)
    except (DatabaseError, ValueError, TypeError):
        logger.warning("The table of a model that photos came from does not answer.")
        return keys


def _keys_there(model: Any, keys: Collection[str]) -> set[str]:
    """Ask the table itself: no replica, and no manager that hides rows."""
    rows = model._base_manager.using(router.db_for_write(model))
    readable = [key for key in keys if _is_readable(model, key)]
    return {str(pk) for pk in rows.filter(pk__in=readable).values_list("pk", flat=True)}


def _is_readable(model: Any, key: str) -> bool:
    """Whether the key can belong to today's model; another kind of key cannot."""
    try:
        model._meta.pk.to_python(key)
    except ValidationError:
        return False
    return True
