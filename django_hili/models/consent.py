"""Consent events. Owns the closed set of purposes and what makes an event whole.

Append-only: a withdrawal is an event of its own, and nothing is ever edited. An event names the
version of the policy and the notice that was shown; without both it cannot be saved.
Clauses C01, C02, C03: PIXEL-0.1, AIART-0.1, MIAO-0.2, MIAO-0.3, HILI-0.1.
Clauses C04: HILI-1.2a, HILI-1.5, AIART-1.2, PIXEL-1.1.5, MIAO-2.2e.
No purpose of advertising, profiling, scoring, research or trade exists.
Clauses C04: HILI-3.1.2, AIART-1.2.6, AIART-1.2.7, AIART-3.4, PIXEL-1.1.3, PIXEL-1.1.4.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_hili.codes import Code
from django_hili.exceptions import FrozenRowError
from django_hili.models.policy import PolicyVersion


class Purpose(models.TextChoices):
    """Everything a photo may ever be used for. Nothing else can be asked for or agreed to."""

    ENHANCE = "enhance", _("enhancing the photo")
    """The core: without it there is nothing to do. Photos of people are sensitive data, and
    this is the separate consent for them."""
    PROCESSOR = "processor", _("sending the photo to a processor")
    """Optional, and separate for each processor."""
    CROSS_BORDER = "cross_border", _("processing in another country")
    """Optional, and separate for each recipient; empty for the site's own stores."""
    LONGER = "longer", _("keeping the result for longer")
    OTHER_PEOPLE = "other_people", _("showing other people")
    """Attested with each upload: the people shown have agreed."""


class ConsentAction(models.TextChoices):
    """What an event does."""

    GRANT = "grant", _("granted")
    WITHDRAW = "withdraw", _("withdrawn")


class GivenBy(models.TextChoices):
    """Whose word it is."""

    SELF = "self", _("the person")
    GUARDIAN = "guardian", _("a guardian")


class ConsentQuerySet(models.QuerySet["Consent"]):
    """Events, oldest first; written once."""

    def standing(self, subject_refs: Collection[uuid.UUID]) -> list[Consent]:
        """Return people's last event for each purpose and processor, attestations apart."""
        events = self.filter(subject_ref__in=subject_refs).exclude(purpose=Purpose.OTHER_PEOPLE)
        last = {
            (event.subject_ref, event.purpose, event.processor): event
            for event in events.order_by("pk")
        }
        return list(last.values())

    def update(self, **_: Any) -> NoReturn:
        """Refuse: an event happened as it did."""
        raise FrozenRowError(Code.RECORD_FROZEN)

    def bulk_create(self, objs: Iterable[Consent], *args: Any, **kwargs: Any) -> list[Consent]:
        """Write events, each as whole as `save` would have it."""
        events = list(objs)
        for event in events:
            event.check_notice()
        return super().bulk_create(events, *args, **kwargs)


class Consent(models.Model):
    """Somebody agreed to something, or took it back."""

    subject_ref = models.UUIDField(_("subject"), editable=False)
    purpose = models.CharField(_("purpose"), max_length=16, choices=Purpose)
    processor = models.CharField(_("processor"), max_length=64, blank=True)
    action = models.CharField(_("action"), max_length=8, choices=ConsentAction)
    given_by = models.CharField(_("given by"), max_length=8, choices=GivenBy, default=GivenBy.SELF)
    policy = models.ForeignKey(
        PolicyVersion, on_delete=models.PROTECT, related_name="+", verbose_name=_("policy version")
    )
    notice_hash = models.CharField(_("notice"), max_length=64)
    """What was shown. A withdrawal names what it takes back."""
    job_id = models.UUIDField(_("job"), null=True, editable=False)
    """The upload an attestation came with."""
    at = models.DateTimeField(_("recorded"))

    objects = ConsentQuerySet.as_manager()

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        indexes = [models.Index(fields=["subject_ref", "purpose"], name="hili_consent_subject")]

    def __str__(self) -> str:
        return str(self.pk)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new event. Raises `FrozenRowError` for an old one, or an unknown notice."""
        if not self._state.adding:
            raise FrozenRowError(Code.RECORD_FROZEN)
        self.check_notice()
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    def check_notice(self) -> None:
        """Raise `FrozenRowError` unless the notice is one this version shows for this purpose."""
        key = f"{self.purpose}:{self.processor}" if self.processor else self.purpose
        if not self.notice_hash or self.policy.notice_hashes.get(key) != self.notice_hash:
            raise FrozenRowError(Code.NOTICE_UNKNOWN)
