"""The site's set-up: what Django's system checks say of this app, and the database."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import ERROR, CheckMessage, Tags, run_checks
from django.db import DatabaseError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from django_hili.jobs.doctor.findings import Area, Finding, Level, Sign, counted
from django_hili.models import PhotoJob

_TAGS = ("django_hili", "hili_sandbox")
_BY_PROVIDER = ("django_hili.E002", "django_hili.W011")
"""Left to the providers' area, which says the same of each provider by name."""
_AREAS = {
    "django_hili.E004": Area.STORAGE,
    "django_hili.E005": Area.PROVIDERS,
    "django_hili.E006": Area.PROVIDERS,
    "django_hili.W001": Area.STORAGE,
    **{f"django_hili.W{number:03}": Area.QUEUE for number in range(2, 11)},
}


def look_at_settings() -> Iterator[Finding]:
    """Yield what the system checks say, those for a deployed site among them."""
    messages = run_checks(tags=list(_TAGS), include_deployment_checks=True)
    found = [message for message in messages if message.id not in _BY_PROVIDER]
    for message in found:
        yield _as_finding(message)
    if not found:
        text = "HILI, STORAGES and Q_CLUSTER can be read, and every system check passes."
        yield Finding(Area.SETTINGS, Level.OK, Sign.SETTINGS_OK, text)


def _as_finding(message: CheckMessage) -> Finding:
    code = message.id or "check"
    level = Level.ERROR if message.level >= ERROR else Level.WARNING
    return Finding(
        _AREAS.get(code, Area.SETTINGS), level, code, str(message.msg), str(message.hint or "")
    )


def look_at_database() -> Iterator[Finding]:
    """Yield whether the database answers, has our tables, and lets workers pass each other."""
    alias = router.db_for_write(PhotoJob)
    connection = connections[alias]
    try:
        connection.ensure_connection()
        missing = _missing_migrations(connection)
    except DatabaseError as error:
        text = f"The database {alias!r} does not answer ({type(error).__name__})."
        step = "Start it, and check its entry in DATABASES."
        yield Finding(Area.DATABASE, Level.ERROR, Sign.DATABASE_DOWN, text, step)
        return
    if missing:
        yield Finding(
            Area.DATABASE,
            Level.ERROR,
            Sign.MIGRATIONS_MISSING,
            f"{counted(len(missing), 'migration')} not applied; the first is {missing[0]}.",
            "Run: python manage.py migrate",
            facts={"missing": missing},
        )
        return
    yield _passing(connection)
    for message in run_checks(tags=[Tags.database], databases=[alias]):
        if (message.id or "").startswith("django_hili."):
            yield _as_finding(message)


def _missing_migrations(connection: BaseDatabaseWrapper) -> list[str]:
    executor = MigrationExecutor(connection)
    graph = executor.loader.graph
    targets = [node for node in graph.leaf_nodes() if node[0] in {"django_hili", "django_q"}]
    plan = executor.migration_plan(targets)
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _passing(connection: BaseDatabaseWrapper) -> Finding:
    name = connection.display_name
    can_skip = connection.features.has_select_for_update_skip_locked
    facts = {"vendor": connection.vendor, "skip_locked": can_skip}
    if can_skip or connection.vendor == "sqlite":
        many = "any number of workers" if can_skip else "one worker at a time"
        text = f"{name} answers, every migration is applied; it suits {many}."
        return Finding(Area.DATABASE, Level.OK, Sign.DATABASE_OK, text, facts=facts)
    return Finding(
        Area.DATABASE,
        Level.WARNING,
        Sign.WORKERS_TAKE_TURNS,
        f"This version of {name} has no SKIP LOCKED: workers wait for one another.",
        "Run one worker, or use a newer version (MariaDB 10.6, MySQL 8.0.1, PostgreSQL 9.5).",
        facts=facts,
    )
