"""The doctor's one verb: look at every part of the site and report.

Owns the order, and that one part that breaks does not hide the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

from django_hili.exceptions import HiliConfigurationError
from django_hili.jobs.doctor.findings import Area, Finding, Level, Report, Sign
from django_hili.jobs.doctor.keys import look_at_keys
from django_hili.jobs.doctor.leaks import look_for_secrets
from django_hili.jobs.doctor.photos import look_at_storage
from django_hili.jobs.doctor.site import look_at_database, look_at_settings
from django_hili.jobs.doctor.tasks import look_at_queue
from django_hili.jobs.doctor.vendors import look_at_providers
from django_hili.jobs.doctor.workers import look_at_workers
from django_hili.providers.registry import provider_aliases

logger = logging.getLogger(__name__)

_NEEDS_ROWS = (Area.KEYS, Area.QUEUE, Area.WORKERS, Area.PROVIDERS, Area.SECRETS)


def examine(
    *, providers: Sequence[str] = (), skip: Sequence[Area] = (), offline: bool = False
) -> Report:
    """Look at the site and return what was found. `providers` narrows the look to these.

    With `offline`, no other machine is asked but the database's. Nothing is changed.
    """
    findings: list[Finding] = []
    for area, look in _looks(providers, offline=offline):
        if area in skip or (area in _NEEDS_ROWS and _is_broken(findings, Area.DATABASE)):
            continue
        findings.extend(_guarded(area, look))
        if area is Area.SETTINGS and not _can_be_read():
            break  # E001 says so; nothing else could be told from it
    if not findings:
        findings.append(
            Finding(Area.SETTINGS, Level.OK, Sign.SETTINGS_OK, "Nothing was looked at.")
        )
    order = list(Area)
    return Report(tuple(sorted(findings, key=lambda finding: order.index(finding.area))))


def _looks(
    providers: Sequence[str], *, offline: bool
) -> tuple[tuple[Area, Callable[[], Iterable[Finding]]], ...]:
    def aliases() -> Sequence[str]:
        return providers or provider_aliases()

    return (
        (Area.SETTINGS, look_at_settings),
        (Area.DATABASE, look_at_database),
        (Area.STORAGE, lambda: look_at_storage(offline=offline)),
        (Area.KEYS, look_at_keys),
        (Area.QUEUE, lambda: look_at_queue(offline=offline)),
        (Area.WORKERS, look_at_workers),
        (Area.PROVIDERS, lambda: look_at_providers(aliases(), offline=offline)),
        (Area.SECRETS, lambda: look_for_secrets(aliases(), offline=offline)),
    )


def _guarded(area: Area, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except Exception as error:
        logger.debug("The doctor could not look at %s.", area.value, exc_info=error)
        yield Finding(
            area,
            Level.ERROR,
            Sign.LOOK_FAILED,
            f"This part could not be looked at ({type(error).__name__}).",
            "Correct the other findings first; if it stays, report it with the name in brackets.",
        )


def _is_broken(findings: Iterable[Finding], area: Area) -> bool:
    return any(finding.area is area and finding.level is Level.ERROR for finding in findings)


def _can_be_read() -> bool:
    try:
        provider_aliases()
    except HiliConfigurationError:
        return False
    return True
