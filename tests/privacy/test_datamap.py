"""The data map knows every field there is, and no field it knows is missing."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.exceptions import FieldError
from django.db import models

from django_hili.privacy.audit import datamap
from django_hili.privacy.audit.datamap import DataClass

COMPLETE = pytest.mark.clause(
    "HILI-1.6n", "AIART-1.2.2n", "AIART-4.2.2", "PIXEL-1.1.2.5", "PIXEL-4.1b", "MIAO-2.0"
)


@COMPLETE
def test_every_field_of_every_table_is_mapped():
    assert datamap.unmapped() == []


@COMPLETE
def test_a_field_added_without_a_map_is_found(monkeypatch):
    before = datamap.unmapped()
    model = apps.get_model("django_hili", "Subject")
    extra = models.TextField()
    extra.set_attributes_from_name("phone")
    monkeypatch.setattr(
        model._meta, "concrete_fields", (*model._meta.concrete_fields, extra), raising=False
    )
    assert set(datamap.unmapped()) - set(before) == {"subject.phone"}


def test_a_mapped_field_that_is_gone_is_found(monkeypatch):
    before = datamap.unmapped()
    tables = {**datamap.TABLES, "ghost": datamap.TABLES["subject"]}
    monkeypatch.setattr(datamap, "TABLES", tables)
    assert set(datamap.unmapped()) - set(before) == {"ghost"}


@COMPLETE
def test_what_points_at_a_person_has_an_end_and_is_never_handed_out_as_plain():
    for name, table in datamap.TABLES.items():
        assert all((table.purpose, table.until, table.erased_by)), name
        for label, field in table.fields.items():
            points = label.endswith(("_ref", "user_key", "handle", "_pk")) or label == "ref"
            assert not (points and field.data_class is DataClass.PLAIN), f"{name}.{label}"


def test_nothing_locked_is_exported():
    for name, table in datamap.TABLES.items():
        for label in table.exported:
            assert table.fields[label].data_class is not DataClass.LOCKED, f"{name}.{label}"


@pytest.mark.django_db
def test_every_table_with_a_subject_can_be_asked_for_one():
    for name, table in datamap.TABLES.items():
        if not table.subject:
            continue
        model = apps.get_model("django_hili", name)
        try:
            list(model.objects.filter(**{table.subject: None})[:1])
        except FieldError as error:
            pytest.fail(f"{name}: {error}")


def test_every_place_has_a_rule():
    assert all(all((place.holds, place.rule)) for place in datamap.PLACES)
    assert len({place.name for place in datamap.PLACES}) == len(datamap.PLACES)


@COMPLETE
def test_every_storage_cache_queue_and_temporary_file_is_mapped():
    assert datamap.unmapped_places() == []


@COMPLETE
@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("from django.core.cache import caches", "cache and sessions"),
        ("from django.core import cache", "cache and sessions"),
        ("from django.core.files.storage import storages", "photo storage"),
        ("import tempfile", "request body"),
        ("from django_q.tasks import async_task", "queue"),
    ],
)
def test_a_place_reached_from_elsewhere_is_found(tmp_path, line, place):
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "new.py").write_text(f"def lay():\n    {line}\n")
    assert f"{place}: media.new" in datamap.unmapped_places(tmp_path)


@COMPLETE
def test_whatever_points_at_a_person_has_somebody_who_ends_it():
    """Rows that point or lock end by a sweep, an erasure or a store, or with their person."""
    ends = ("sweep", "erase", "cancel", "stores")
    assert datamap.TABLES["receipt"].erased_by.startswith("nobody")
    for name, table in datamap.TABLES.items():
        if name == "receipt":  # a random id of something that is gone
            continue
        kinds = {field.data_class for field in table.fields.values()}
        if kinds & {DataClass.POINTER, DataClass.PERSONAL, DataClass.LOCKED}:
            assert any(end in table.erased_by for end in ends), name


def test_the_rows_of_the_design_are_there():
    places = " ".join(place.name for place in datamap.PLACES)
    for word in ("versions", "snapshots", "thumbnails", "write-ahead", "replicas", "backups",
                 "queue", "cache", "log", "admin log", "receipt sink", "key store"):  # fmt: skip
        assert word in places, word
