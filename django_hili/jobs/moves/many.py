"""Changes many rows in one statement and tells those that changed from those that were lost.

Owns the one pattern behind it: a conditional update names, for every row, the token under which
its worker holds it. Where the database says that as many rows changed as were asked for, all
did; only otherwise is it asked which. Knows no lane and no provider.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from django.db import connections, models
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Cast

from django_hili.models import JobStatus, PhotoJob
from django_hili.models.job import TRANSITIONS


def held_by(jobs: Iterable[PhotoJob]) -> Q:
    """Match these jobs, each only while it is held under the token in hand."""
    by_token: dict[int, list[uuid.UUID]] = defaultdict(list)
    for job in jobs:
        by_token[job.token].append(job.pk)
    if not by_token:
        return Q(pk__in=[])
    # Tokens count claims, so nearly all are the same small number.
    return Q(*(Q(token=token, pk__in=pks) for token, pks in by_token.items()), _connector=Q.OR)


def move_all(
    jobs: Iterable[PhotoJob], source: JobStatus, target: JobStatus, *, where: Q | None = None,
    **changes: Any,
) -> set[uuid.UUID]:  # fmt: skip
    """Move jobs from `source` to `target`, each under its own token; return those now there.

    A job that was there already under the same token counts: a commit whose answer was lost is
    asked for again.
    """
    jobs = list(jobs)
    if target not in TRANSITIONS[source]:
        raise ValueError(f"a job never goes from {source} to {target}")
    return update_all(
        PhotoJob.objects.filter(held_by(jobs), where or Q(), status=source),
        PhotoJob.objects.filter(held_by(jobs), status=target),
        {job.pk for job in jobs},
        status=target,
        **changes,
    )


def update_all(
    rows: models.QuerySet[Any], changed: models.QuerySet[Any], pks: set[uuid.UUID], /,
    **changes: Any,
) -> set[uuid.UUID]:  # fmt: skip
    """Update `rows`; return which of `pks` hold now what `changed` describes."""
    if not pks:
        return set()
    if rows.update(**changes) == len(pks):
        return pks
    return pks & set(changed.values_list("pk", flat=True))


def each(
    model: type[models.Model], name: str, values: Mapping[uuid.UUID, Any], *, using: str
) -> Any:
    """Return what to write into the field `name` so that every row gets its own of `values`."""
    field: Any = model._meta.get_field(name)
    by_value: dict[object, list[uuid.UUID]] = defaultdict(list)
    for pk, value in values.items():
        by_value[value if isinstance(value, Hashable) else json.dumps(value)].append(pk)
    if len(by_value) == 1:
        return next(iter(values.values()))
    cases = [
        When(pk__in=pks, then=Value(values[pks[0]], output_field=field))
        for pks in by_value.values()
    ]
    chosen = Case(*cases, output_field=field)
    if connections[using].features.requires_casted_case_in_updates:
        return Cast(chosen, output_field=field)
    return chosen
