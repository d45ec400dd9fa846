"""Erasure ends the same however often it is cut short: nothing left, and one receipt."""

from __future__ import annotations

import datetime as dt
import os
import uuid
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_hili.exceptions import StorageError
from django_hili.media import keys, vault
from django_hili.media.storages import photo_storage
from django_hili.models import (
    EraseCause,
    Heartbeat,
    Media,
    MediaKind,
    MediaState,
    PhotoJob,
    Receipt,
)
from django_hili.privacy.erasure import erase
from django_hili.privacy.erasure.erase import condemn, erase_condemned
from django_hili.privacy.erasure.renewal import renew_keys, shorten_keys
from django_hili.privacy.erasure.sweep import sweep, sweep_thoroughly
from django_hili.privacy.evidence import receipts
from tests.processes import finish

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR


def laid_down(*, kept=DAY, job_id=None, content=b"FACE-MARKER") -> Media:
    now = timezone.now()
    media = vault.reserve(kind=MediaKind.RESULT, now=now, expires_at=now + kept)
    vault.write(media, content)
    assert vault.publish(media, job_id=job_id or uuid.uuid4())
    return Media.objects.get(pk=media.pk)


def receipts_of(media: Media) -> list[Receipt]:
    return list(Receipt.objects.filter(kind="erased", object_id=str(media.pk)))


def look() -> Media.objects:
    return Media.objects.all()


@pytest.mark.clause("HILI-4.2", "PIXEL-4.4a", "MIAO-5.3", "MIAO-5.5")
@pytest.mark.parametrize("cause", list(EraseCause))
def test_every_cause_ends_alike(cause, stored):
    media = laid_down()
    assert condemn(look(), cause, timezone.now()) == 1
    fresh = Media.objects.get(pk=media.pk)
    assert (fresh.wrapped_key, fresh.key_bucket) == (None, None)
    with pytest.raises(StorageError):
        vault.read(fresh)
    assert erase_condemned().erased == 1
    assert stored() == {}
    assert not Media.objects.exists()
    left = receipts_of(media)
    if cause == EraseCause.REPLAYED:
        assert left == []  # it has the receipt of the first time
    else:
        assert [receipt.facts for receipt in left] == [f'{{"cause":"{cause}","kind":"result"}}']
    assert receipts.verify_all()[0] is None


class Killed(BaseException):
    """The process dies: nothing catches this."""


STEPS = ["condemned", "deleted", "listed", "locked", "receipted", "committed"]


class Bomb:
    """Dies once at a named step of an erasure."""

    def __init__(self, monkeypatch):
        self.step = None
        real_delete, real_listed = erase.delete_files, erase._listed
        real_hold, real_append = erase.hold_chain, erase.append_alike

        def at(step, result):
            if self.step == step:
                self.step = None
                raise Killed(step)
            return result

        monkeypatch.setattr(
            erase,
            "delete_files",
            lambda *a: at("deleted", real_delete(*a)) if at("condemned", 1) else 0,
        )
        monkeypatch.setattr(erase, "_listed", lambda *a: at("listed", real_listed(*a)))
        monkeypatch.setattr(erase, "hold_chain", lambda *a: at("locked", real_hold(*a)))
        monkeypatch.setattr(erase, "append_alike", lambda *a: at("receipted", real_append(*a)))
        monkeypatch.setattr(erase, "_tell", lambda *a: at("committed", None))


@pytest.mark.clause("HILI-4.2", "MIAO-5.3")
def test_killed_at_any_steps_and_run_again_the_end_is_the_same(monkeypatch, stored):
    """INV-15 to INV-17, INV-20, INV-21, INV-22."""
    bomb = Bomb(monkeypatch)

    @given(bombs=st.lists(st.sampled_from(STEPS), max_size=8))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def lives(bombs):
        media = laid_down()
        condemn(Media.objects.filter(pk=media.pk), EraseCause.REQUESTED, timezone.now())
        for step in [*bombs, None]:
            bomb.step = step
            try:
                erase_condemned()
            except Killed:
                pass
            finally:
                bomb.step = None
            left = Media.objects.filter(pk=media.pk).first()
            if left is not None:
                with pytest.raises(StorageError):
                    vault.read(left)
        assert stored() == {}
        assert not Media.objects.exists()
        assert len(receipts_of(media)) == 1
        assert receipts.verify_all()[0] is None
        assert (erase_condemned().erased, len(receipts_of(media))) == (0, 1)

    lives()


def test_a_delete_that_lies_is_found_out_and_tried_again(monkeypatch, stored):
    media = laid_down()
    condemn(look(), EraseCause.REQUESTED, timezone.now())
    monkeypatch.setattr(erase, "delete_files", lambda storage, names: list(names))
    assert erase_condemned().remaining == 1
    assert receipts_of(media) == []
    monkeypatch.undo()
    assert erase_condemned().erased == 1
    assert len(receipts_of(media)) == 1


@pytest.mark.clause("HILI-4.2")
def test_two_who_erase_the_same_leave_one_receipt(monkeypatch):
    media = laid_down()
    condemn(look(), EraseCause.REQUESTED, timezone.now())
    real = erase._replace_by_receipts

    def also_elsewhere(names):
        real(names)
        return real(names)

    monkeypatch.setattr(erase, "_replace_by_receipts", also_elsewhere)
    erase_condemned()
    assert len(receipts_of(media)) == 1


@pytest.mark.clause("HILI-4.2", "MIAO-5.3")
@pytest.mark.parametrize("table", ["photojob", "media"])
@pytest.mark.parametrize("how", ["raw SQL", "in bulk"])
def test_rows_deleted_behind_our_back_leave_no_photo(table, how, photo, stored):
    import django_hili

    job = django_hili.enhance(photo, operations=["sr"], scale=2, basis="no_personal_data")
    media = Media.objects.get(job=job)
    model = {"photojob": PhotoJob, "media": Media}[table]
    if how == "raw SQL":
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {model._meta.db_table}")
    else:
        model.objects.all()._raw_delete("default")
    later = timezone.now() + 2 * HOUR
    for name in stored():
        os.utime(photo_storage().path(name), (0, 0))
    sweep(later)
    sweep_thoroughly(later)
    assert stored() == {}
    assert not Media.objects.exists()
    assert len(receipts_of(media)) == 1


def test_a_photo_whose_file_vanished_is_given_up_at_the_second_look_only():
    media, other = laid_down(), laid_down()
    photo_storage().delete(media.name)
    soon = timezone.now() + 2 * HOUR
    sweep_thoroughly(soon)
    assert Media.objects.get(pk=media.pk).state == MediaState.LIVE
    sweep_thoroughly(soon + HOUR)
    assert Media.objects.get(pk=media.pk).state == MediaState.CONDEMNED
    assert Media.objects.get(pk=other.pk).state == MediaState.LIVE


@pytest.mark.clause("HILI-4.2", "MIAO-5.3")
@pytest.mark.process
def test_the_second_look_may_be_another_process_s():
    """Where `hili_privacy sweep` is a cron job, each look is a process of its own."""
    now = timezone.now()
    job = PhotoJob.objects.create(
        provider="local", operations=["sr"], image_type="photo", dpi=96, due_at=now,
        created_at=now, expires_at=now + DAY, basis="no_personal_data", status="done", ended_at=now,
    )  # fmt: skip
    media = laid_down(job_id=job.pk)
    laid_down(job_id=job.pk)
    photo_storage().delete(media.name)
    Media.objects.filter(pk=media.pk).update(created_at=now - 3 * HOUR)
    for state in (MediaState.LIVE, MediaState.CONDEMNED):
        code, said = finish("hili_privacy", "sweep")
        assert code == 0, said
        assert Media.objects.get(pk=media.pk).state == state
        # An hour and a little later, as far as the rows know.
        Media.objects.update(missed_at=F("missed_at") - HOUR)
        Heartbeat.objects.update(looked_at=F("looked_at") - HOUR)
    sweep()
    assert len(receipts_of(media)) == 1


def test_a_file_that_is_back_at_the_second_look_was_never_missed():
    media = laid_down()
    storage = photo_storage()
    os.rename(storage.path(media.name), storage.path("away"))
    laid_down()  # else nothing at all is listed
    soon = timezone.now() + 2 * HOUR
    sweep_thoroughly(soon)
    os.rename(storage.path("away"), storage.path(media.name))
    sweep_thoroughly(soon + HOUR)
    os.rename(storage.path(media.name), storage.path("away"))
    sweep_thoroughly(soon + 2 * HOUR)
    assert Media.objects.get(pk=media.pk).state == MediaState.LIVE
    sweep_thoroughly(soon + 3 * HOUR)
    assert Media.objects.get(pk=media.pk).state == MediaState.CONDEMNED


def test_a_storage_that_is_not_there_condemns_nothing(settings):
    media = laid_down()
    os.rename(settings.BASE_DIR / "photos", settings.BASE_DIR / "elsewhere")
    soon = timezone.now() + 2 * HOUR
    for hours in range(4):
        sweep_thoroughly(soon + hours * HOUR)
    os.rename(settings.BASE_DIR / "elsewhere", settings.BASE_DIR / "photos")
    assert vault.read(Media.objects.get(pk=media.pk)) == b"FACE-MARKER"


def test_a_foreign_file_in_our_folder_goes_without_a_receipt_of_ours():
    storage = photo_storage()
    name = storage.save("hili/ab/readme.txt", ContentFile(b"not ours"))
    os.utime(storage.path(name), (0, 0))
    assert sweep_thoroughly() == 1
    assert not Receipt.objects.exists()


# Keys.


@pytest.mark.clause("PIXEL-6.2c", "MIAO-8.2b")
def test_a_photo_kept_longer_than_a_lease_is_renewed_and_always_opens(settings, monkeypatch):
    settings.HILI = {"PRIVACY": {"KEY_LEASE": 10 * HOUR, "RESULT_KEPT": 3 * DAY}}
    media = laid_down(kept=2 * DAY)
    start = timezone.now()
    for hour in range(1, 48):
        now = start + hour * HOUR
        monkeypatch.setattr(timezone, "now", lambda now=now: now)
        if hour % 4 == 0:
            renew_keys(now)
            keys.destroy_past_keys(now)
            keys.forget_cached()
        fresh = Media.objects.get(pk=media.pk)
        assert fresh.key_bucket - now <= 11 * HOUR
        assert vault.read(fresh) == b"FACE-MARKER"


def test_a_deadline_moved_earlier_takes_its_key_along():
    media = laid_down(kept=5 * DAY)
    now = timezone.now()
    Media.objects.update(expires_at=now + HOUR)
    assert shorten_keys(now) == 1
    assert Media.objects.get(pk=media.pk).key_bucket <= now + 2 * HOUR
    assert shorten_keys(now) == 0


def test_what_was_condemned_meanwhile_is_not_given_a_key_again(monkeypatch):
    media = laid_down(kept=30 * DAY)
    now = timezone.now() + 20 * DAY
    real = vault.rewrap

    def condemned_meanwhile(row, moment):
        real(row, moment)
        condemn(look(), EraseCause.REQUESTED, moment)

    Media.objects.update(expires_at=now + 20 * DAY)
    monkeypatch.setattr(vault, "rewrap", condemned_meanwhile)
    assert renew_keys(now) == 0
    assert Media.objects.get(pk=media.pk).wrapped_key is None


@pytest.mark.clause("PIXEL-6.2c", "MIAO-8.2b")
def test_a_sweep_ends_the_keys_whose_hour_has_come():
    media = laid_down(kept=HOUR)
    assert sweep(media.key_bucket).keys_destroyed == 1
    assert keys.key_store().list() == []


class Versioned(FileSystemStorage):
    """A storage that keeps what was deleted, until it is told to let that go too."""

    fails = 0

    def delete(self, name):
        if self.exists(name):
            Path(self.path(name)).rename(self.path(name) + ".v1")

    def delete_versions(self, name):
        if Versioned.fails:
            Versioned.fails -= 1
            raise OSError
        Path(self.path(name) + ".v1").unlink()


@pytest.mark.clause("PIXEL-6.2c", "MIAO-8.2b", "AIART-5.6b")
@pytest.mark.parametrize("fails", [0, 1])
def test_versions_go_with_their_photo_where_the_storage_can(settings, stored, fails):
    """INV-17. Where it fails the row stays, and the next sweep tries again."""
    hili = {**settings.STORAGES["hili"], "BACKEND": "tests.privacy.test_erase.Versioned"}
    settings.STORAGES = {**settings.STORAGES, "hili": hili}
    Versioned.fails = fails
    laid_down()
    condemn(look(), EraseCause.REQUESTED, timezone.now())
    for attempt in range(fails + 1):
        assert erase_condemned().erased == int(attempt == fails)
    assert stored() == {}
    assert not Media.objects.exists()
