"""Published policies. Owns what makes a version immutable: it is written once and never again.

A version is the values that run, the texts that people read, and the notices they agree to, all
frozen at publication. Clauses C05: HILI-8b, HILI-FR-1, AIART-8, PIXEL-0.2, PIXEL-8.5b, MIAO-10.2,
MIAO-10.3, MIAO-12.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_hili.codes import Code
from django_hili.exceptions import FrozenRowError


class FrozenQuerySet(models.QuerySet["PolicyVersion"]):
    """Rows that are read, and written once."""

    def in_force(self, now: dt.datetime) -> PolicyVersion | None:
        """Return the newest version that has taken effect."""
        return self.filter(effective_at__lte=now).order_by("-number").first()

    def update(self, **_: Any) -> NoReturn:
        """Refuse: a published version never changes."""
        raise FrozenRowError(Code.RECORD_FROZEN)

    def delete(self) -> NoReturn:
        """Refuse: a published version stays readable for ever."""
        raise FrozenRowError(Code.RECORD_FROZEN)

    def bulk_update(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse, as `update` does."""
        raise FrozenRowError(Code.RECORD_FROZEN)


class PolicyVersion(models.Model):
    """One published version of this site's policy."""

    number = models.PositiveIntegerField(_("number"), primary_key=True)
    profile = models.CharField(_("profile"), max_length=32)
    parameters = models.JSONField(_("values"))
    """The effective profile, value by value."""
    controller = models.CharField(_("controller"), max_length=200, blank=True)
    contact = models.CharField(_("contact"), max_length=200, blank=True)
    home_region = models.CharField(_("home region"), max_length=2, blank=True)
    recipients = models.JSONField(_("recipients"))
    """Who may get photos: name, region and how long a copy is kept."""
    notices = models.JSONField(_("notices"))
    """What is shown at the point of collection, one for each purpose, with its hash."""
    texts = models.JSONField(_("texts"))
    """The policy by language code."""
    authoritative_language = models.CharField(_("authoritative language"), max_length=8)
    text_hash = models.CharField(_("hash"), max_length=64)
    """SHA-256 over everything above."""
    change_kinds = models.JSONField(_("what changed"), default=list)
    reduces_rights = models.BooleanField(_("reduces rights"), default=False)
    updated_at = models.DateTimeField(_("updated"))
    effective_at = models.DateTimeField(_("takes effect"))

    objects = FrozenQuerySet.as_manager()

    class Meta:
        verbose_name = _("policy version")
        verbose_name_plural = _("policy versions")
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new version. Raises `FrozenRowError` for one that is written already."""
        if not self._state.adding:
            raise FrozenRowError(Code.RECORD_FROZEN)
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: a published version stays readable for ever."""
        raise FrozenRowError(Code.RECORD_FROZEN)

    @property
    def notice_hashes(self) -> dict[str, str]:
        """The hash of every notice of this version, by purpose or purpose and processor."""
        return {notice["key"]: notice["hash"] for notice in self.notices}
