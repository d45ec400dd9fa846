"""What is held about one person: exactly the fields the data map hands out, and their photos.

Owns reading, for a page, an export or an authority. A field nobody put into the map is in no
answer, and no row of another person is. Clauses C29: HILI-6, AIART-5.1, PIXEL-6.1, MIAO-8.1.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from django.apps import apps
from django.db.models import Manager, Model, QuerySet

from django_hili.models import Media
from django_hili.models.media import MediaQuerySet
from django_hili.privacy.audit.datamap import TABLES
from django_hili.privacy.rights import cases

SEALED: Final[Mapping[tuple[str, str], tuple[str, Callable[[Any], str]]]] = {
    ("case", "sealed_request"): ("request", cases.request_text),
    ("case", "sealed_answer"): ("answer", cases.answer_text),
}
"""Fields that are opened for the person, by table and field: the name they read, and how."""

Record = dict[str, Any]


def held_about(subject_ref: uuid.UUID) -> dict[str, list[Record]]:
    """Return everything held about a person, by table; tables without a row are left out."""
    found = {name: list(rows_about(name, subject_ref)) for name in person_tables()}
    return {name: rows for name, rows in found.items() if rows}


def counts_about(subject_ref: uuid.UUID) -> dict[str, int]:
    """Return how many rows are held about a person, by table; tables without one are left out."""
    found = {name: _rows(name, subject_ref).count() for name in person_tables()}
    return {name: count for name, count in found.items() if count}


def person_tables() -> Sequence[str]:
    """Return the names of the tables whose rows are somebody's and hold something to hand out."""
    return [name for name, table in TABLES.items() if table.subject and table.exported]


def rows_about(name: str, subject_ref: uuid.UUID) -> Iterator[Record]:
    """Yield the rows of one table about a person, with the fields they get, in the map's order."""
    for row in _rows(name, subject_ref):
        # What a row points at is told by its key: the row behind it may not be the person's.
        columns = {field.name: field.attname for field in row._meta.concrete_fields}
        record: Record = {}
        for field in TABLES[name].exported:
            label, opened = SEALED.get((name, field), (field, None))
            record[label] = opened(row) if opened else getattr(row, columns[field])
        yield record


def photos_about(subject_ref: uuid.UUID) -> MediaQuerySet:
    """Return the photos of a person that can be opened, oldest first."""
    return Media.objects.live().filter(job__subject_ref=subject_ref).order_by("created_at", "pk")


def _rows(name: str, subject_ref: uuid.UUID) -> QuerySet[Model]:
    manager: Manager[Model] = apps.get_model("django_hili", name)._base_manager
    return manager.filter(**{TABLES[name].subject: subject_ref}).order_by("pk")
