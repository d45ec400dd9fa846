"""What the doctor finds: a level, a stable code, one sentence, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and something will go wrong or is unsafe."""
    ERROR = "error"
    """Photos are not enhanced, or deadlines are not kept."""


SEVERITY = (Level.OK, Level.WARNING, Level.ERROR)


class Area(StrEnum):
    """The parts of a site, in the order they are looked at."""

    SETTINGS = "settings"
    DATABASE = "database"
    STORAGE = "storage"
    KEYS = "keys"
    QUEUE = "queue"
    WORKERS = "workers"
    PROVIDERS = "providers"
    SECRETS = "secrets"


class Sign(StrEnum):
    """A stable name for what can be found. What a system check found bears the check's id."""

    LOOK_FAILED = "look_failed"
    SETTINGS_OK = "settings_ok"

    DATABASE_OK = "database_ok"
    DATABASE_DOWN = "database_down"
    MIGRATIONS_MISSING = "migrations_missing"
    WORKERS_TAKE_TURNS = "workers_take_turns"

    STORAGE_OK = "storage_ok"
    STORAGE_NOT_ASKED = "storage_not_asked"
    STORAGE_UNUSABLE = "storage_unusable"
    STORAGE_KEEPS_DELETED = "storage_keeps_deleted"
    STORAGE_READABLE_BY_OTHERS = "storage_readable_by_others"

    KEYS_OK = "keys_ok"
    KEYS_UNUSABLE = "keys_unusable"
    KEYS_MISSING = "keys_missing"
    KEYS_READABLE_BY_OTHERS = "keys_readable_by_others"
    PHOTOS_NOT_SEALED = "photos_not_sealed"

    QUEUE_OK = "queue_ok"
    QUEUE_ABSENT = "queue_absent"
    BROKER_DOWN = "broker_down"
    BROKER_NOT_ASKED = "broker_not_asked"
    SCHEDULE_MISSING = "schedule_missing"
    SCHEDULE_STUCK = "schedule_stuck"

    WORKERS_OK = "workers_ok"
    WORKER_NEVER_SEEN = "worker_never_seen"
    WORKER_SILENT = "worker_silent"
    ROUNDS_FAIL = "rounds_fail"
    JOBS_MOVE = "jobs_move"
    JOBS_STUCK = "jobs_stuck"
    JOBS_ABANDONED = "jobs_abandoned"
    JOBS_HELD = "jobs_held"
    PHOTOS_LATE = "photos_late"

    PROVIDER_MISCONFIGURED = "provider_misconfigured"
    PROVIDER_OK = "provider_ok"
    PROVIDER_NOT_ASKED = "provider_not_asked"
    PROVIDER_UNREACHABLE = "provider_unreachable"
    PROVIDER_BUSY = "provider_busy"
    PROVIDER_UNREADABLE = "provider_unreadable"
    CREDENTIALS_REFUSED = "credentials_refused"
    CLOCK_DIFFERS = "clock_differs"
    CREDITS_NONE = "credits_none"
    CREDITS_LOW = "credits_low"
    ACCOUNT_SHARED = "account_shared"
    PROVIDER_PAUSED = "provider_paused"
    PROVIDER_HELD_BACK = "provider_held_back"
    PLAIN_HTTP = "plain_http"
    VENDOR_IS_THIS_MACHINE = "vendor_is_this_machine"
    ENGINE_OK = "engine_ok"
    ENGINE_FAILED = "engine_failed"

    SECRETS_OK = "secrets_ok"
    SECRETS_NOT_ASKED = "secrets_not_asked"
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - a name
    SECRET_IN_ROWS = "secret_in_rows"  # noqa: S105 - a name


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the doctor has to say."""

    area: Area
    level: Level
    code: str
    message: str
    """One sentence, without secrets and addresses."""
    next_step: str = ""
    """What to do; empty where there is nothing to do."""
    subject: str = ""
    """The provider's alias, where it is about one."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What was measured, for programs."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found, in the order of the areas."""

    findings: tuple[Finding, ...]

    def count(self, level: Level) -> int:
        """How many findings are of this level."""
        return sum(finding.level is level for finding in self.findings)

    @property
    def level(self) -> Level:
        """The worst level found."""
        return max((finding.level for finding in self.findings), key=SEVERITY.index)


def in_words(seconds: float) -> str:
    """Say a length of time as people would: 40 seconds, 12 minutes, 3 hours, 2 days."""
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {name}s"
    whole = round(seconds)
    return f"{whole} second{'' if whole == 1 else 's'}"


def counted(number: int, noun: str) -> str:
    """Say a number of things: 1 job, 2 jobs."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
