"""The rules that `Q_CLUSTER` has to keep, as measured on django-q2. Pure; asks nobody.

django-q2's defaults suit tasks that may run twice. Ours may too, but a site's own tasks in the same
cluster often may not, and a task that runs for ever takes a worker from the photos.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SHORTEST_RETRY = 60
_SHORTEST_TIMEOUT = 60
_BROKERS_WITH_LOCKS = ("orm", "sqs", "iron_mq", "mongo")
"""Those that hand a task out again when nobody acknowledged it in time."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One rule that is not kept."""

    number: str
    """Of the system check, such as W003."""
    text: str
    hint: str


def breaches(cluster: Mapping[str, Any]) -> Iterator[Breach]:
    """Yield every rule that these settings break."""
    if not cluster:
        yield Breach(
            "W002",
            "django-q2 is installed but Q_CLUSTER is not set: it looks for a Redis server.",
            'Set Q_CLUSTER = {"name": "site", "orm": "default", "timeout": 90, "retry": 120, '
            '"queue_limit": 1, "ack_failures": True}.',
        )
        return
    yield from _times(cluster)
    if any(cluster.get(broker) for broker in _BROKERS_WITH_LOCKS):
        yield from _locks(cluster)
    yield from _switches(cluster)


def _times(cluster: Mapping[str, Any]) -> Iterator[Breach]:
    retry, timeout = cluster.get("retry", 60), cluster.get("timeout")
    if timeout is None:
        text = "Q_CLUSTER has no timeout: a task that hangs blocks its worker for ever."
        yield Breach("W003", text, 'Set "timeout": 90 and "retry": 120.')
    elif retry <= timeout:
        text = "Q_CLUSTER's retry is not longer than its timeout: long tasks run twice at once."
        yield Breach("W004", text, 'Set "retry" above "timeout", such as 120 and 90.')
    if timeout is not None and timeout < _SHORTEST_TIMEOUT:
        text = (
            "Q_CLUSTER's timeout is under a minute: a shift ends before photos on their way to a "
            "provider have been answered, which leaves them in doubt."
        )
        yield Breach("W014", text, 'Set "timeout": 90 and "retry": 120.')
    if retry < _SHORTEST_RETRY:
        text = "Q_CLUSTER's retry is under a minute: shifts become too short to do much."
        yield Breach("W005", text, 'Set "retry": 120.')


def _locks(cluster: Mapping[str, Any]) -> Iterator[Breach]:
    workers = int(cluster.get("workers") or os.cpu_count() or 4)
    limit = cluster.get("queue_limit", workers**2)
    if limit > 1:
        text = (
            f"Q_CLUSTER lets {limit} tasks wait inside the cluster while their locks run out: "
            "under load they run twice."
        )
        yield Breach("W006", text, 'Set "queue_limit": 1.')
    if not cluster.get("ack_failures") and not cluster.get("max_attempts"):
        text = "Q_CLUSTER has neither ack_failures nor max_attempts: a failed task runs for ever."
        yield Breach("W008", text, 'Set "ack_failures": True, or "max_attempts": 3.')


def _switches(cluster: Mapping[str, Any]) -> Iterator[Breach]:
    if cluster.get("save_limit", 250) == 0:
        text = "Q_CLUSTER's save_limit is 0, which keeps a row of every finished task for ever."
        yield Breach("W007", text, 'Set "save_limit": -1 to keep none, or a number such as 100.')
    if cluster.get("sync"):
        text = "Q_CLUSTER runs tasks inside the request: pages wait until photos are enhanced."
        yield Breach("W009", text, 'Remove "sync" and run a worker.')
    if cluster.get("scheduler", True) is False:
        text = "Q_CLUSTER's scheduler is off: no deadline is kept, and no lost wake-up is found."
        yield Breach("W010", text, 'Remove "scheduler", or run `manage.py hili_run` beside it.')
