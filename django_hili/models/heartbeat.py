"""When a worker last began and last finished its round of upkeep; one row for all of them.

Every host of the worker keeps house once a minute, so a row that stands still says that no worker
runs, or that none gets through. Holds nothing about photos and people.
"""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.db.models import Q

UPKEEP = "upkeep"


class HeartbeatManager(models.Manager["Heartbeat"]):
    """Writes the row and reads it."""

    def begin(self, now: dt.datetime) -> None:
        """Note that a worker begins its round."""
        if not self.filter(name=UPKEEP).update(began_at=now):
            self.bulk_create([self.model(name=UPKEEP, began_at=now)], ignore_conflicts=True)

    def look(self, now: dt.datetime, *, every: dt.timedelta) -> bool:
        """Begin the look at everything there is, if it is due; say whether this call was the one.

        A time that has not come yet was written by a clock that went wrong.
        """
        is_due = Q(looked_at=None) | Q(looked_at__lte=now - every) | Q(looked_at__gt=now)
        return bool(self.filter(is_due, name=UPKEEP).update(looked_at=now))

    def finish(self, now: dt.datetime) -> None:
        """Note that a worker got through its round."""
        self.filter(name=UPKEEP).update(finished_at=now)

    def last(self) -> Heartbeat | None:
        """Return the row, or None where no worker has ever run."""
        return self.filter(name=UPKEEP).first()


class Heartbeat(models.Model):
    """The workers' last round."""

    name = models.CharField(max_length=16, primary_key=True)
    began_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)
    """When a worker last began to look at everything there is."""

    objects = HeartbeatManager()

    class Meta:
        default_permissions = ()  # nobody looks at it but hili_doctor

    def __str__(self) -> str:
        return self.name
