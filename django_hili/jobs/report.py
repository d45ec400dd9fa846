"""What was sent and paid in a month, by user and operation, reckoned from the ledger of sends."""

from __future__ import annotations

import csv
import datetime as dt
import io
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Count, Q
from django.utils import timezone

from django_hili.models import Disclosure, SendState, Subject

_COLUMNS = ("month", "provider", "user", "operations", "sent", "charged", "not_known")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One user's sends to one provider for one set of operations."""

    provider: str
    user: str
    """The user's name; empty where nobody was named, or the user has left the site."""
    operations: tuple[str, ...]
    sent: int
    """Photos that may have reached the provider."""
    charged: int
    not_known: int


@dataclass(frozen=True, slots=True)
class Report:
    """One month."""

    month: dt.date
    """Its first day."""
    lines: Sequence[ReportLine]

    @property
    def charged(self) -> int:
        """Sends that were charged, in all."""
        return sum(line.charged for line in self.lines)

    @property
    def not_known(self) -> int:
        """Sends of which nobody knows, in all."""
        return sum(line.not_known for line in self.lines)


def monthly_report(*, month: dt.date, provider: str | None = None) -> Report:
    """Return what was sent and charged in the month that `month` lies in, by the site's clock.

    What was refused is left out: it cost nothing and nobody has it.
    """
    first = month.replace(day=1)
    sends = Disclosure.objects.filter(
        intended_at__gte=_midnight(first), intended_at__lt=_midnight(_next(first))
    ).exclude(state__in=[SendState.REFUSED, SendState.INTENDED])
    if provider is not None:
        sends = sends.filter(provider=provider)
    found = sends.values("provider", "requested_by_ref", "operations").annotate(
        sent=Count("pk"),
        paid=Count("pk", filter=Q(charged=True)),
        open=Count("pk", filter=Q(charged=None)),
    )
    rows = list(found.order_by())
    names = _names({row["requested_by_ref"] for row in rows})
    lines = [
        ReportLine(
            provider=row["provider"],
            user=names.get(row["requested_by_ref"], ""),
            operations=tuple(row["operations"]),
            sent=row["sent"],
            charged=row["paid"],
            not_known=row["open"],
        )
        for row in rows
    ]
    return Report(first, sorted(lines, key=lambda line: (line.provider, line.user, -line.charged)))


def as_csv(report: Report) -> str:
    """Return a report as CSV. A name can be no formula in it."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for line in report.lines:
        operations = "+".join(line.operations)
        words = (f"{report.month:%Y-%m}", line.provider, _plain(line.user), operations)
        writer.writerow((*words, line.sent, line.charged, line.not_known))
    return text.getvalue()


def _plain(name: str) -> str:
    return f"'{name}" if name.startswith(_FORMULA_STARTS) else name


def _names(refs: Iterable[uuid.UUID | None]) -> dict[uuid.UUID | None, str]:
    """Return users' names by the reference that stands for them; who has left is left out."""
    keys = dict(
        Subject.objects.filter(ref__in=[ref for ref in refs if ref])
        .exclude(user_key=None)
        .values_list("ref", "user_key")
    )
    users = _users(set(filter(None, keys.values())))
    return {ref: users[key] for ref, key in keys.items() if key in users}


def _users(keys: set[str]) -> dict[str, str]:
    model = get_user_model()
    valid = [key for key in keys if _is_key(key)]
    users = model._base_manager.filter(pk__in=valid)
    return {str(user.pk): user.get_username() for user in users}


def _is_key(key: str) -> bool:
    try:
        get_user_model()._meta.pk.to_python(key)
    except ValidationError:
        return False
    return True


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time()))


def _next(first: dt.date) -> dt.date:
    return (first + dt.timedelta(days=32)).replace(day=1)
