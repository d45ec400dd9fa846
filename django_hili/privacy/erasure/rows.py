"""Lets go of rows that are due: jobs, batches, clients' keys, sends, words of consent, people.

Clauses C17: HILI-4.2, MIAO-5.2, MIAO-7.7. C09: AIART-4.2.2, PIXEL-4.1b.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from django.apps import apps
from django.db.models import Exists, Model, OuterRef, Q

from django_hili.conf import get_settings
from django_hili.models import (
    Consent,
    ConsentAction,
    Disclosure,
    IdempotencyKey,
    Media,
    MediaState,
    PhotoBatch,
    PhotoJob,
    Purpose,
    Subject,
)
from django_hili.models.job import PhotoJobQuerySet

PAGE = 1000


def drop_due(now: dt.datetime) -> int:
    """Delete the rows of jobs, batches, keys and sends whose time is over. Returns how many."""
    stored = Media.objects.filter(job_id=OuterRef("pk"))
    jobs = PhotoJob.objects.filter(~Exists(stored), expires_at__lte=now)
    dropped = jobs.delete()[0]
    members = PhotoJob.objects.filter(batch_id=OuterRef("pk"))
    dropped += PhotoBatch.objects.filter(~Exists(members), expires_at__lte=now).delete()[0]
    dropped += IdempotencyKey.objects.all().past(now).delete()[0]
    return dropped + Disclosure.objects.filter(expires_at__lte=now).delete()[0]


def due_rows(now: dt.datetime, *, ending: PhotoJobQuerySet) -> int:
    """Count the rows that `drop_due` would delete once every photo past its time is gone.

    Those of jobs that are `ending` stay: their time begins then.
    """
    going = Q(state=MediaState.CONDEMNED) | Q(expires_at__lte=now)
    stored = Media.objects.filter(job_id=OuterRef("pk")).exclude(going)
    jobs = PhotoJob.objects.filter(~Exists(stored), expires_at__lte=now)
    jobs = jobs.exclude(pk__in=ending.values("pk"))
    stay = PhotoJob.objects.filter(batch_id=OuterRef("pk")).exclude(pk__in=jobs.values("pk"))
    batches = PhotoBatch.objects.filter(~Exists(stay), expires_at__lte=now)
    sends = Disclosure.objects.filter(expires_at__lte=now)
    keys = IdempotencyKey.objects.all().past(now)
    return jobs.count() + batches.count() + keys.count() + sends.count()


def drop_consents(now: dt.datetime) -> int:
    """Delete events of consent that have proved what they had to. Returns how many.

    An event goes once something newer on the same matter is as old as proofs get. What was said
    last goes at that age itself, unless it is a grant that stands: somebody with an account can
    still take it back. An attestation says nothing beyond its upload.
    """
    past = now - get_settings().privacy.effective.receipts_kept
    newer = Consent.objects.filter(
        subject_ref=OuterRef("subject_ref"), purpose=OuterRef("purpose"),
        processor=OuterRef("processor"), pk__gt=OuterRef("pk"),
    )  # fmt: skip
    linked = Subject.objects.filter(pk=OuterRef("subject_ref"), user_key__isnull=False)
    is_standing = Q(Exists(linked), action=ConsentAction.GRANT)
    over = Q(purpose=Purpose.OTHER_PEOPLE) | Q(Exists(newer.filter(at__lte=past)))
    over |= Q(~Exists(newer)) & ~is_standing
    due = Consent.objects.filter(over, at__lte=past).order_by("pk")
    dropped = 0
    # By their keys: not every database deletes from a table that the question is about.
    while page := list(due.values_list("pk", flat=True)[:PAGE]):
        dropped += Consent.objects.filter(pk__in=page).delete()[0]
    return dropped


def drop_subjects(now: dt.datetime) -> int:
    """Delete people whom no row names any more, once nothing rests on knowing them.

    Returns how many. Every table is asked that holds a person's reference, also those that are
    yet to be written.
    """
    unused = Subject.objects.filter(created_at__lte=now - get_settings().privacy.job_kept)
    for model, column in _references():
        unused = unused.filter(~Exists(model._base_manager.filter(**{column: OuterRef("ref")})))
    return unused.delete()[0]


def _references() -> Iterator[tuple[type[Model], str]]:
    for model in apps.get_app_config(Subject._meta.app_label).get_models():
        for column in model._meta.concrete_fields:
            if column.name in {"subject_ref", "requested_by_ref"}:
                yield model, column.name
