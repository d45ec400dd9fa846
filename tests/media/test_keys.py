"""A wrapping key ends when its hour comes, and with it every copy of what it opened."""

from __future__ import annotations

import datetime as dt
import os
import threading
import uuid

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_hili.conf import get_settings
from django_hili.media import keys
from django_hili.media.keys import GRANULE, KeyGoneError
from django_hili.media.keystore import DatabaseKeyStore, FolderKeyStore, key_folder
from django_hili.models import WrappingKey

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
NOON = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)
ONE = uuid.uuid4()


@pytest.fixture(autouse=True)
def _fresh(tmp_path, settings):
    settings.HILI = {**settings.HILI, "VAULT": {"KEY_FOLDER": tmp_path / "keys"}}


@pytest.fixture
def database(tmp_path):
    """A second database that holds nothing but keys."""
    first = connections["default"].settings_dict
    connections.databases["keys"] = {
        **first, "ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "keys.sqlite3",
        "OPTIONS": {}, "TEST": {**first["TEST"], "NAME": None},
    }  # fmt: skip
    with connections["keys"].schema_editor() as editor:
        editor.create_model(WrappingKey)
    yield "keys"
    connections["keys"].close()
    del connections["keys"], connections.databases["keys"]


@pytest.fixture(params=["folder", "database"])
def store(request, tmp_path, django_db_blocker):
    if request.param == "folder":
        yield FolderKeyStore(tmp_path / "keys")
        return
    with django_db_blocker.unblock():
        yield DatabaseKeyStore(request.getfixturevalue("database"))


def test_a_key_is_made_once_kept_and_destroyed(store):
    assert store.get(NOON) is None
    key = store.create(NOON)
    assert len(key) == 32
    assert store.create(NOON) == store.get(NOON) == key
    assert store.create(NOON + HOUR) != key
    assert store.list() == [NOON, NOON + HOUR]
    store.destroy(NOON)
    store.destroy(NOON)
    assert store.get(NOON) is None
    assert store.list() == [NOON + HOUR]


def test_many_who_make_the_same_key_at_once_get_the_same(tmp_path):
    made, together = [], threading.Barrier(8)

    def make():
        together.wait()
        made.append(FolderKeyStore(tmp_path / "keys").create(NOON))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1
    assert [path.suffix for path in (tmp_path / "keys").iterdir()] == [".key"]


def test_only_this_user_can_read_keys(tmp_path):
    FolderKeyStore(tmp_path / "keys").create(NOON)
    folder = tmp_path / "keys"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


@pytest.mark.clause("AIART-4.2.1b")
def test_keys_lie_outside_the_photos_and_outside_the_database(settings):
    settings.HILI = {}
    folder = key_folder()
    assert not folder.is_relative_to(settings.MEDIA_ROOT)
    assert not folder.is_relative_to(settings.BASE_DIR / "media-hili")
    assert not (settings.BASE_DIR / "media-hili").is_relative_to(folder)
    assert folder == settings.BASE_DIR / "photos-keys"
    settings.STORAGES = {name: settings.STORAGES[name] for name in ("default", "staticfiles")}
    assert key_folder() == settings.BASE_DIR / "media-hili-keys"


def wrapped(deadline, now=NOON):
    return keys.wrap(b"k" * 32, object_id=ONE, deadline=deadline, now=now)


def unwrapped(not_after, blob, now=NOON, object_id=ONE):
    return keys.unwrap(blob, object_id=object_id, not_after=not_after, now=now)


def test_a_key_comes_back_until_its_hour_and_no_longer():
    not_after, blob = wrapped(NOON + dt.timedelta(minutes=90))
    assert not_after == NOON + 2 * HOUR
    last = not_after - dt.timedelta(microseconds=1)
    assert unwrapped(not_after, blob, last) == b"k" * 32
    with pytest.raises(KeyGoneError):
        unwrapped(not_after, blob, not_after)


@pytest.mark.clause("PIXEL-6.2c", "MIAO-8.2b", "AIART-5.6b")
def test_a_key_lives_no_longer_than_the_lease():
    not_after, _ = wrapped(NOON + 400 * DAY)
    assert not_after == NOON + get_settings().privacy.effective.key_lease


def test_the_hour_in_the_row_cannot_be_moved():
    _, blob = wrapped(NOON + HOUR)
    wrapped(NOON + 9 * HOUR)
    with pytest.raises(KeyGoneError):
        unwrapped(NOON + 9 * HOUR, blob)


def test_a_key_opens_no_other_object():
    not_after, blob = wrapped(NOON + HOUR)
    with pytest.raises(KeyGoneError):
        unwrapped(not_after, blob, object_id=uuid.uuid4())


def test_past_keys_are_destroyed_and_the_others_are_not():
    early, _ = wrapped(NOON + HOUR)
    late, blob = wrapped(NOON + 3 * HOUR)
    assert keys.destroy_past_keys(early) == 1
    keys.forget_cached()
    assert unwrapped(late, blob) == b"k" * 32
    assert keys.destroy_all_keys() == 1
    with pytest.raises(KeyGoneError):
        unwrapped(late, blob)


class World:
    """Rows under a lease, the sweep that renews them, and copies of the rows taken at a time."""

    def __init__(self, lease):
        self.lease, self.rows = lease, {}

    def put(self, name, deadline, now):
        self.rows[name] = (deadline, *wrapped(deadline, now))

    def tick(self, now):
        for name, (deadline, not_after, blob) in list(self.rows.items()):
            if deadline <= now:
                del self.rows[name]
            elif keys.is_to_be_renewed(deadline=deadline, not_after=not_after, now=now):
                assert unwrapped(not_after, blob, now) == b"k" * 32
                self.rows[name] = (deadline, *wrapped(deadline, now))
        keys.destroy_past_keys(now)
        keys.forget_cached()

    def opens(self, rows, name, now):
        try:
            _, not_after, blob = rows[name]
            return unwrapped(not_after, blob, now) == b"k" * 32
        except (KeyError, KeyGoneError):
            return False


@pytest.mark.clause("PIXEL-6.2c", "MIAO-8.2b", "AIART-5.6b")
@given(
    deadline=st.integers(1, 120), lease=st.integers(4, 48), copied=st.integers(0, 130),
    erased=st.none() | st.integers(0, 130), looked=st.integers(0, 190),
)  # fmt: skip
@hypothesis_settings(max_examples=40, deadline=None)
def test_no_copy_outlives_the_lease_or_the_deadline(deadline, lease, copied, erased, looked):
    """INV-23, and INV-04: what is live always opens."""
    import tempfile

    from django.test import override_settings

    with (
        tempfile.TemporaryDirectory() as folder,
        override_settings(HILI={"VAULT": {"KEY_FOLDER": folder},
                                "PRIVACY": {"KEY_LEASE": lease * HOUR}}),
    ):  # fmt: skip
        world, copy = World(lease * HOUR), {}
        world.put("photo", NOON + deadline * HOUR, NOON)
        for hour in range(max(copied, looked) + 1):
            now = NOON + hour * HOUR
            if hour == erased:
                world.rows.pop("photo", None)
            world.tick(now)
            is_live = hour < deadline and (erased is None or hour < erased)
            if hour % 5 == 0 or hour in {copied, looked}:
                assert world.opens(world.rows, "photo", now) == is_live
            if hour == copied:
                copy = dict(world.rows)
            past_lease = now >= NOON + (copied + lease) * HOUR + GRANULE
            past_deadline = now >= NOON + deadline * HOUR + GRANULE
            if hour == looked >= copied and (past_lease or past_deadline):
                assert not world.opens(copy, "photo", now)


def test_the_clock_of_a_key_is_utc():
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    there = timezone.localtime(NOON, zone)
    assert keys.bucket(there, NOON - DAY) == NOON


def test_what_a_killed_maker_left_goes_with_the_next_key(tmp_path):
    store = FolderKeyStore(tmp_path)
    store.create(NOON)
    old, new = tmp_path / "0123456789abcdef.new", tmp_path / "fedcba9876543210.new"
    for path in (old, new):
        path.write_bytes(bytes(32))
    os.utime(old, (0, 0))
    store.destroy(NOON)
    assert list(tmp_path.iterdir()) == [new]  # somebody may just be making that one


REST = pytest.mark.clause("AIART-4.2.1b", "PIXEL-4.1a", "MIAO-7.3b")


def write_over(store):
    """Leave a key as one leaves it whose process died after it had written over it."""
    if isinstance(store, FolderKeyStore):
        next(store._folder.glob("*.key")).write_bytes(bytes(32))
    else:
        WrappingKey.objects.using("keys").update(key=bytes(32))


@REST
def test_a_key_that_was_written_over_is_none_and_a_new_one_is_made(store):
    first = store.create(NOON)
    write_over(store)
    assert store.get(NOON) is None
    made = store.create(NOON)
    assert made not in {first, bytes(32)}
    assert store.get(NOON) == made


@REST
def test_nobody_sees_a_key_that_is_half_destroyed(store, monkeypatch):
    """Whatever a key is written over with, it is out of everybody's way by then."""
    store.create(NOON)
    seen = []

    def look(*_):
        seen.append(store._path(NOON).exists())

    if isinstance(store, FolderKeyStore):
        monkeypatch.setattr("django_hili.media.keystore.os.fsync", look)
        store.destroy(NOON)
        assert seen[0] is False
        return
    with CaptureQueriesContext(connections["keys"]) as statements:
        store.destroy(NOON)
    words = [each["sql"].split()[0] for each in statements]
    assert (words[0], words[-1]) == ("BEGIN", "COMMIT"), "to others both happen at once"
    assert {"UPDATE", "DELETE"} < set(words)


@REST
def test_a_key_whose_destroyer_died_is_destroyed_by_the_next(tmp_path, monkeypatch):
    store = FolderKeyStore(tmp_path)
    store.create(NOON)

    def die(_):
        raise RuntimeError

    monkeypatch.setattr("django_hili.media.keystore.os.fsync", die)
    with pytest.raises(RuntimeError):
        store.destroy(NOON)
    monkeypatch.undo()
    assert store.get(NOON) is None
    assert store.list() == [NOON], "the audit sees it, and a sweep goes on"
    store.destroy(NOON)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.clause("PIXEL-6.2c", "MIAO-8.2b")
def test_a_file_that_is_no_key_stops_nothing(tmp_path, caplog):
    store = FolderKeyStore(tmp_path)
    store.create(NOON)
    for name in ("notes.key", "20300101T00Z copy.key", "old.gone"):
        (tmp_path / name).write_bytes(b"x")
    assert store.list() == [NOON]
    assert "no keys of ours" in caplog.text
    assert "notes" not in caplog.text
    store.destroy(NOON)
    assert len(list(tmp_path.iterdir())) == 3
