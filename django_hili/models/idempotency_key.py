"""A client's word that two requests are one, so that a lost answer is not paid for twice.

Owns whether a request has been taken up, by whom, and what it made. The key and the request are
kept as hashes; the second is keyed with the first, which only the client has, so that nothing in
the table tells which photo it was, not even to somebody who has that photo.
Clauses C20: MIAO-2.1d. Clauses C17: HILI-4.2.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from django_hili.models.job import PhotoJob


class IdempotencyKeyQuerySet(models.QuerySet["IdempotencyKey"]):
    """Questions about keys, and the one way their rows change."""

    def held(self, key_id: uuid.UUID, token: int) -> IdempotencyKeyQuerySet:
        """The row of a request that is still being answered by whoever holds `token`."""
        return self.filter(pk=key_id, token=token, answered_at=None)

    def take_over(self, key_id: uuid.UUID, token: int, *, now: dt.datetime, **changes: Any) -> bool:
        """Take a request up whose server has fallen silent; say whether this call did."""
        silent = self.held(key_id, token).filter(lease_until__lte=now)
        return bool(silent.update(token=F("token") + 1, **changes))

    def past(self, now: dt.datetime) -> IdempotencyKeyQuerySet:
        """Those that hold no longer."""
        return self.filter(expires_at__lte=now)

    def forget_photos(self, job_ids: Collection[uuid.UUID]) -> int:
        """Forget which photos were sent, where any of them has been deleted since.

        Ask it while the jobs are there. The keys stay taken, so that nothing is made again.
        """
        ids = list(job_ids)
        batches = PhotoJob.objects.filter(pk__in=ids).exclude(batch=None).values("batch_id")
        return self.filter(Q(job_id__in=ids) | Q(batch_id__in=batches)).update(fingerprint="")


class IdempotencyKey(models.Model):
    """One request that its client may send again."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    subject_ref = models.UUIDField(_("subject"), editable=False)
    """Whose key it is: two people may choose the same."""
    key_hash = models.CharField(_("hash of the key"), max_length=64, editable=False)
    fingerprint = models.CharField(
        _("hash of the request"), max_length=64, blank=True, editable=False
    )
    """Empty once something of what it made has been deleted."""
    job_id = models.UUIDField(_("job"), null=True, editable=False)
    batch_id = models.UUIDField(_("batch"), null=True, editable=False)
    taken = models.PositiveIntegerField(_("photos decided on"), default=0)
    """How far a batch is: a crash goes on with the next photo."""
    refused = models.JSONField(_("photos refused"), default=list)
    """Which photos of a batch were not taken, and why: place, code and limits."""
    token = models.PositiveIntegerField(_("fencing token"), default=1)
    lease_until = models.DateTimeField(_("lease until"), null=True)
    """Until when whoever holds the token is thought to be at it."""
    created_at = models.DateTimeField(_("created"))
    answered_at = models.DateTimeField(_("answered"), null=True)
    expires_at = models.DateTimeField(_("kept until"))

    objects = IdempotencyKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["subject_ref", "key_hash"], name="hili_key_once")
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="hili_key_expires"),
            models.Index(fields=["job_id"], name="hili_key_job"),
            models.Index(fields=["batch_id"], name="hili_key_batch"),
        ]

    def __str__(self) -> str:
        return str(self.id)
