"""Whether the service has been ended: one row, or none. While there is one, no photo is taken."""

from __future__ import annotations

import datetime as dt

from django.db import models

CLOSURE = "closure"


class ClosureManager(models.Manager["Closure"]):
    """Writes the row and reads it."""

    def begin(self, now: dt.datetime) -> bool:
        """Stop the intake; say whether this call was the one that did."""
        row, is_new = self.get_or_create(name=CLOSURE, defaults={"began_at": now})
        del row
        return is_new

    def finish(self, now: dt.datetime) -> bool:
        """Note that nothing is left; say whether this call was the first to."""
        return bool(self.filter(name=CLOSURE, finished_at=None).update(finished_at=now))

    def is_closed(self) -> bool:
        """Whether the service has been ended."""
        return self.exists()


class Closure(models.Model):
    """The end of the service."""

    name = models.CharField(max_length=16, primary_key=True)
    began_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = ClosureManager()

    class Meta:
        default_permissions = ()  # the command alone ends the service, and takes that back

    def __str__(self) -> str:
        return self.name
