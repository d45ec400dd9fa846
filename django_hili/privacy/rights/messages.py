"""Tells people what they have to know, through the site that can reach them.

Owns the queue and the words. Delivery is the host's: a receiver of `message_queued` that returns
True has taken a message over. Who cannot be reached is counted, so that an announcement follows.
Clauses C34: HILI-5f, AIART-4.2.6b, PIXEL-4.5, MIAO-7.6. C23: AIART-4.1b, MIAO-5.4.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from django.utils.translation import gettext as _

from django_hili.conf import get_settings
from django_hili.models import Incident, Message, MessageKind, MessageState, Subject
from django_hili.models.incident import PARTS
from django_hili.signals import message_queued

TRIES: Final = 5
KEPT: Final = dt.timedelta(days=30)
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Words:
    """What a message says, in the language that is active."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What one round of deliveries did."""

    delivered: int
    waiting: int
    unreachable: int


def queue_messages(
    user_keys: Iterable[str], *, kind: MessageKind, now: dt.datetime,
    incident: Incident | None = None,
) -> int:  # fmt: skip
    """Queue a message to each of these users who has none yet. Returns how many."""
    earlier = Message.objects.filter(kind=kind, incident=incident)
    told = set(earlier.values_list("subject_ref", flat=True))
    queued, keys = 0, iter(user_keys)
    while page := list(islice(keys, PAGE)):
        people = Subject.objects.filter(user_key__in=page).order_by("user_key")
        new = [
            Message(
                kind=kind, incident=incident, user_key=key, subject_ref=ref, due_at=now,
                expires_at=now + KEPT,
            )
            for ref, key in people.values_list("ref", "user_key")
            if ref not in told
        ]  # fmt: skip
        Message.objects.bulk_create(new, ignore_conflicts=True)
        queued += len(new)
    return queued


def deliver(now: dt.datetime) -> DeliveryReport:
    """Offer what is due to the host. What nobody takes is offered again, five times in all."""
    delivered = unreachable = 0
    for message in Message.objects.due(now).select_related("incident")[:PAGE]:
        if not _claim(message, now):
            continue
        if _is_taken(message):
            delivered += _settle(message, MessageState.DELIVERED, now)
        elif message.tries + 1 >= TRIES:
            unreachable += _settle(message, MessageState.UNREACHABLE, now)
    waiting = Message.objects.filter(state=MessageState.QUEUED).count()
    return DeliveryReport(delivered=delivered, waiting=waiting, unreachable=unreachable)


def words_of(message: Message) -> Words:
    """Return what a message says."""
    if message.incident is not None:
        return Words(_("A privacy incident that concerns you"), incident_text(message.incident))
    return Words(_("This service ends"), wind_down_text())


def incident_text(incident: Incident) -> str:
    """Return the parts people have to be told, in order, and where to ask."""
    parts = [str(getattr(incident, name)).strip() for name in PARTS]
    return "\n\n".join([*parts, _contact()])


def wind_down_text() -> str:
    """Return what people are told when the service ends."""
    text = _(
        "Photos are no longer taken here, and everything stored about you is deleted, at once and "
        "for good."
    )
    return f"{text}\n\n{_contact()}"


def forget(user_key: str) -> int:
    """Delete every message to a user who is gone. Returns how many.

    Whoever an incident concerned and was not told by then is told by its announcement.
    Clauses C32: HILI-6, AIART-5.3, PIXEL-6.4, MIAO-8.4.
    """
    return Message.objects.filter(user_key=user_key).delete()[0]


def drop_past(now: dt.datetime) -> int:
    """Delete messages past their time. Returns how many."""
    return Message.objects.filter(expires_at__lte=now).delete()[0]


def _contact() -> str:
    contact = get_settings().privacy.contact or _("the site's operator")
    return _("Questions: {contact}").format(contact=contact)


def _claim(message: Message, now: dt.datetime) -> bool:
    """Take a message for this round, so that nobody is offered it twice at once."""
    rows = Message.objects.filter(
        pk=message.pk, state=MessageState.QUEUED, tries=message.tries, due_at__lte=now
    )
    later = now + dt.timedelta(minutes=10) * 4**message.tries
    return bool(rows.update(tries=message.tries + 1, due_at=later))


def _is_taken(message: Message) -> bool:
    words = words_of(message)
    answers = message_queued.send_robust(
        sender=Message, user_key=message.user_key, kind=message.kind, title=words.title,
        text=words.text,
    )  # fmt: skip
    return any(answer is True for _receiver, answer in answers)


def _settle(message: Message, state: MessageState, now: dt.datetime) -> int:
    delivered_at = now if state == MessageState.DELIVERED else None
    rows = Message.objects.filter(pk=message.pk, state=MessageState.QUEUED)
    return rows.update(state=state, delivered_at=delivered_at, user_key=None)
