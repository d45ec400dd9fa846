"""The restore drill: an old copy comes back, and nothing erased comes back with it."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import uuid
from io import StringIO

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connection, transaction
from django.test import RequestFactory
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import HiliConfigurationError, PrivacyRefusedError, StorageError
from django_hili.jobs.delete import delete_jobs
from django_hili.jobs.moves import claim, send
from django_hili.media import keys, sink, vault
from django_hili.models import (
    AgeBand,
    Chain,
    Consent,
    Disclosure,
    EraseCause,
    Erasure,
    JobStatus,
    Media,
    MediaKind,
    PhotoJob,
    Receipt,
    SendState,
    Subject,
    VendorCopy,
)
from django_hili.privacy.erasure import replay, stores, undone
from django_hili.privacy.erasure.erase import condemn, erase_condemned
from django_hili.privacy.erasure.sweep import sweep, sweep_orphan_files
from django_hili.privacy.erasure.vendor_copies import settle_without_asking
from django_hili.privacy.evidence import receipts
from django_hili.privacy.evidence.receipts import Event, append
from django_hili.privacy.rights.exercise import delete_photos
from django_hili.privacy.rights.withdrawal import withdraw_everything
from django_hili.providers.registry import capabilities_of
from tests import people
from tests.host.models import Portrait
from tests.photos import jpeg
from tests.vendors import charges, vendor_for

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR


class Copy:
    """A copy of database and storage, as a nightly job makes one. Keys and receipts stay out."""

    def __init__(self, settings):
        self._photos = settings.BASE_DIR / "photos"
        self._kept = settings.BASE_DIR / "copy"
        shutil.rmtree(self._kept, ignore_errors=True)
        self._photos.mkdir(exist_ok=True)
        shutil.copytree(self._photos, self._kept)
        self._rows = {}
        for table in self._tables():
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {table}")
                names = [column[0] for column in cursor.description]
                self._rows[table] = (names, cursor.fetchall())

    @staticmethod
    def _tables():
        ours = apps.get_app_config("django_hili").get_models()
        return [model._meta.db_table for model in ours]

    def put_back(self):
        self._put_back_rows()
        self._put_back_files()
        sink.look_again()
        keys.forget_cached()

    def _put_back_rows(self):
        with connection.constraint_checks_disabled(), connection.cursor() as cursor:
            for table in reversed(self._tables()):
                cursor.execute(f"DELETE FROM {table}")
            for table, (names, rows) in self._rows.items():
                quoted = ", ".join(connection.ops.quote_name(name) for name in names)
                marks = ", ".join(["%s"] * len(names))
                for row in rows:
                    cursor.execute(f"INSERT INTO {table} ({quoted}) VALUES ({marks})", row)

    def _put_back_files(self):
        shutil.rmtree(self._photos, ignore_errors=True)
        shutil.copytree(self._kept, self._photos)
        shutil.rmtree(self._kept)


def laid_down(content=b"FACE-MARKER") -> Media:
    now = timezone.now()
    job = PhotoJob.objects.create(
        provider="local", operations=["sr"], image_type="photo", dpi=96, due_at=now,
        created_at=now, expires_at=now + DAY, basis="attestation",
    )  # fmt: skip
    media = vault.reserve(kind=MediaKind.RESULT, now=now, expires_at=now + DAY, job_id=job.pk)
    vault.write(media, content)
    assert vault.publish(media, job_id=job.pk)
    return Media.objects.get(pk=media.pk)


def erase(*gone: Media) -> None:
    rows = Media.objects.filter(pk__in=[one.pk for one in gone])
    condemn(rows, EraseCause.REQUESTED, timezone.now())
    erase_condemned(rows)


def opens(media: Media) -> bool:
    row = Media.objects.filter(pk=media.pk).first()
    try:
        return row is not None and vault.read(row) == b"FACE-MARKER"
    except StorageError:
        return False


@pytest.mark.clause("PIXEL-6.2c", "MIAO-8.2b", "HILI-4.2")
def test_nothing_erased_can_be_opened_and_after_replay_all_holds(settings, stored):
    """INV-24, with INV-15 to INV-20 for everything ever erased."""
    early, late, kept = laid_down(), laid_down(), laid_down()
    erase(early)
    copy = Copy(settings)
    erase(late)
    after = laid_down()
    copy.put_back()

    assert not opens(late)
    with pytest.raises(StorageError) as caught:
        vault.read(Media.objects.get(pk=kept.pk))
    assert caught.value.code == Code.REPLAY_NEEDED
    with pytest.raises(StorageError):
        append([Event("erased", uuid.uuid4(), {})])
    assert replay.is_needed()

    report = replay.replay()
    assert (report.condemned, report.remaining) == (1, 0)
    assert report.taken_back == 1
    assert not replay.is_needed()
    assert opens(kept)
    assert not opens(late)
    assert not opens(after)  # made after the copy: its row, and with it its key, is lost
    assert [name for name in stored() if late.pk.hex in name] == []
    erased = Receipt.objects.filter(kind="erased")
    assert sorted(erased.values_list("object_id", flat=True)) == sorted(
        [str(early.pk), str(late.pk)]
    )
    assert receipts.verify_all()[0] is None
    assert list(receipts.lines()) == list(
        sink.read_lines(sink.sink_path(Chain.objects.get().origin))
    )


def test_a_copy_of_the_storage_alone_is_replayed_too(settings, stored):
    media, kept = laid_down(), laid_down()
    copy = Copy(settings)
    erase(media)
    copy._put_back_files()
    assert any(media.pk.hex in name for name in stored())
    assert replay.replay().files == 1
    assert not any(media.pk.hex in name for name in stored())
    assert opens(kept)


def test_what_was_condemned_again_before_the_replay_has_one_receipt(settings):
    media = laid_down()
    copy = Copy(settings)
    erase(media)
    copy.put_back()
    erase(media)  # its file goes; its row waits for the replay
    replay.replay()
    assert not Media.objects.filter(pk=media.pk).exists()
    assert Receipt.objects.filter(kind="erased", object_id=str(media.pk)).count() == 1


def test_somebody_else_erases_while_a_replay_runs_and_leaves_no_second_receipt(settings):
    media = laid_down()
    copy = Copy(settings)
    erase(media)
    copy.put_back()
    erase(media)
    replay._take_back(Chain.objects.get())
    erase_condemned()
    assert Receipt.objects.filter(kind="erased", object_id=str(media.pk)).count() == 1


def test_a_storage_put_back_alone_is_cleaned_without_a_second_receipt(settings, stored):
    media = laid_down()
    copy = Copy(settings)
    erase(media)
    copy._put_back_files()
    assert sweep_orphan_files(timezone.now() + DAY) == 1
    assert not any(media.pk.hex in name for name in stored())
    assert Receipt.objects.filter(kind="erased", object_id=str(media.pk)).count() == 1


def test_a_replay_twice_is_a_replay_once(settings):
    media = laid_down()
    copy = Copy(settings)
    erase(media)
    copy.put_back()
    replay.replay()
    newest = Chain.objects.get().number
    again = replay.replay()
    assert (again.taken_back, again.condemned, again.files) == (0, 0, 0)
    assert Chain.objects.get().number == newest


@pytest.mark.parametrize("step", ["_condemn_erased", "_erase_files", "erase_condemned", "append"])
def test_a_replay_that_is_killed_begins_again_and_serves_nothing_meanwhile(
    settings, monkeypatch, step
):
    media, kept = laid_down(), laid_down()
    copy = Copy(settings)
    erase(media)
    copy.put_back()

    def killed(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(replay, step, killed)
        with pytest.raises(KeyboardInterrupt):
            replay.replay()
    sink.look_again()
    assert replay.is_needed()
    assert not opens(kept)
    replay.replay()
    assert opens(kept)
    assert not opens(media)
    assert Receipt.objects.filter(kind="erased", object_id=str(media.pk)).count() == 1


def test_a_copy_that_was_tampered_with_is_not_replayed(settings):
    media = laid_down()
    copy = Copy(settings)
    erase(media, laid_down())
    copy.put_back()
    path = sink.sink_path(Chain.objects.get().origin)
    path.write_text(path.read_text().replace("requested", "delivered", 1))
    with pytest.raises(HiliConfigurationError, match="receipt 1 was changed"):
        replay.replay()
    assert not opens(media)


@pytest.mark.clause("HILI-6", "PIXEL-6.3", "MIAO-8.3")
def test_every_withdrawal_stands(settings, anna):
    from django_hili.privacy.rights.withdrawal import withdraw_consent

    people.agree(anna)
    copy = Copy(settings)
    assert withdraw_consent(subject=anna, purpose="enhance").was_given
    copy.put_back()
    ref = Subject.objects.get(user_key=str(anna.pk)).ref
    granted = Consent.objects.all().standing([ref])
    assert any(event.purpose == "enhance" and event.action == "grant" for event in granted)
    replay.replay()
    standing = Consent.objects.all().standing([ref])
    assert not any(event.purpose == "enhance" and event.action == "grant" for event in standing)


@pytest.mark.clause("HILI-7b", "AIART-7.2", "MIAO-9.3")
def test_somebody_under_age_is_not_an_adult_again(settings, anna, photo):
    from django_hili.privacy.consent.answers import record_answers

    people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    copy = Copy(settings)
    record_answers(subject=anna, age_band=AgeBand.MINOR)
    copy.put_back()
    replay.replay()
    assert Subject.objects.get(user_key=str(anna.pk)).age_band == AgeBand.CHILD
    assert not Media.objects.live().exists()
    with pytest.raises(PrivacyRefusedError):
        people.enhance(photo, operations=["sr"], scale=2, subject=anna)


@pytest.mark.clause("AIART-5.3", "MIAO-8.4")
def test_an_account_that_was_cancelled_stays_cancelled(settings, anna, photo):
    from django_hili.privacy.rights.exercise import cancel_account

    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    media = Media.objects.get(job=job)
    copy = Copy(settings)
    cancel_account(subject_ref=job.subject_ref)
    get_user_model().objects.filter(pk=anna.pk).delete()
    copy.put_back()
    assert Subject.objects.get(pk=job.subject_ref).user_key is not None
    replay.replay()
    assert not PhotoJob.objects.filter(pk=job.pk).exists()
    assert not Media.objects.filter(pk=media.pk).exists()
    assert not Subject.objects.exclude(user_key=None).exists()
    assert receipts.verify_all()[0] is None


@pytest.mark.clause("HILI-0.5", "HILI-API-1")
@pytest.mark.parametrize(
    ("charging", "status"), [("upload", JobStatus.HELD), ("download", JobStatus.QUEUED)]
)
def test_a_photo_that_has_left_is_in_the_ledger_again_and_not_paid_for_twice(
    settings, anna, work, charging, status
):
    with vendor_for(settings, charging=charging) as vendor:
        vendor.control.processing(600, 600)
        job = people.enhance(jpeg(), subject=anna, operations=["repair"])
        copy = Copy(settings)
        work(time_cap=dt.timedelta(seconds=2))
        sent = Disclosure.objects.get()
        assert sent.state == SendState.ANSWERED
        copy.put_back()
        assert not Disclosure.objects.exists(), "the copy is from before the send"
        assert not claim.has_work(now=timezone.now()), "nothing leaves before the replay"
        replay.replay()
        replay.replay()
        again = Disclosure.objects.get()
        assert (again.pk, again.state, again.charged) == (sent.pk, SendState.UNKNOWN, None)
        assert (again.provider, again.region) == ("hili", "CN")
        job.refresh_from_db()
        assert job.status == status
        assert claim.has_work(now=timezone.now()) == (status == JobStatus.QUEUED)
        if status == JobStatus.HELD:
            work(time_cap=dt.timedelta(seconds=2))
        assert charges(vendor) == (charging == "upload")


@pytest.mark.clause("HILI-API-1")
def test_a_send_that_the_copy_shows_before_its_barrier_is_in_doubt(settings, anna, photo):
    with vendor_for(settings):
        job = people.enhance(photo, subject=anna, operations=["repair"])
        copy = Copy(settings)
        now = timezone.now()
        PhotoJob.objects.filter(pk=job.pk).update(status=JobStatus.SENDING, token=1)
        job.refresh_from_db()
        [row] = send.intend(
            jobs=[job], sizes={job.pk: 1}, capabilities=capabilities_of("hili"), now=now
        ).values()
        copy.put_back()
        Disclosure.objects.bulk_create([row])
        PhotoJob.objects.filter(pk=job.pk).update(status=JobStatus.SENDING, token=1)
        replay.replay()
        row.refresh_from_db()
        job.refresh_from_db()
        assert (row.state, job.status) == (SendState.UNKNOWN, JobStatus.HELD)


@pytest.mark.clause("HILI-API-7")
def test_what_became_of_a_vendors_copy_has_one_receipt_after_a_replay_too(settings, anna, work):
    with vendor_for(settings):
        people.enhance(jpeg(), subject=anna, operations=["repair"])
        work()
        copy = Copy(settings)
        row = Disclosure.objects.get()
        settle_without_asking(row.vendor_due_at + DAY + HOUR)
        copy.put_back()
        assert Disclosure.objects.get().outcome == VendorCopy.PENDING
        replay.replay()
        again = Disclosure.objects.get()
        assert (again.outcome, again.handle, again.charged) == (VendorCopy.UNVERIFIED, "", True)
        assert again.expires_at is not None
        settle_without_asking(row.vendor_due_at + DAY + HOUR)
        assert Receipt.objects.filter(kind="disclosed", object_id=str(row.pk)).count() == 1


def test_what_is_made_true_again_has_a_kind_of_receipt():
    assert set(undone.UNDOS) <= set(receipts.KINDS)


def test_a_database_that_is_only_slow_is_not_taken_for_an_old_one():
    media = laid_down()
    with transaction.atomic():
        append([Event("erased", uuid.uuid4(), {})])
    sink.look_again()
    assert opens(media)


def test_a_dry_run_says_what_a_replay_would_do_and_touches_nothing(
    settings, stored, anna, monkeypatch
):
    undone_again = []
    early, late = laid_down(), laid_down()
    laid_down()
    erase(early)
    given = people.agree(anna)
    copy = Copy(settings)
    erase(late)
    withdraw_everything(subject=given)
    back = laid_down()
    content = stored()
    erase(back)
    (name,) = [name for name in content if back.pk.hex in name]
    copy.put_back()
    (settings.BASE_DIR / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
    (settings.BASE_DIR / "photos" / name).write_bytes(content[name])  # a file without its row
    before = stored(), list(Receipt.objects.values_list("number", flat=True))

    call_command("hili_privacy", "replay", "--dry-run", "--json", stdout=(out := StringIO()))
    would = json.loads(out.getvalue())
    assert (stored(), list(Receipt.objects.values_list("number", flat=True))) == before
    assert replay.is_needed()
    for kind, undo in undone.UNDOS.items():
        monkeypatch.setitem(
            undone.UNDOS, kind, lambda one, undo=undo: undone_again.append(one) or undo(one)
        )
    report = replay.replay()
    assert would == {
        "taken_back": report.taken_back, "condemned": report.condemned, "files": report.files,
        "undone": len(undone_again),
    }  # fmt: skip
    assert (would["condemned"], would["files"]) == (1, 1)
    assert undone_again
    assert replay.look() == replay.ReplayOutlook(0, 0, 0, 0)


def _by_rest(job, anna):
    assert people.client_of(anna).delete(f"/hili/api/v1/jobs/{job.pk}/").status_code == 204


def _by_admin(job, anna):
    admin.site._registry[PhotoJob].delete_model(RequestFactory().post("/"), job)


def _by_admin_list(job, anna):
    rows = PhotoJob.objects.filter(pk=job.pk)
    admin.site._registry[PhotoJob].delete_queryset(RequestFactory().post("/"), rows)


def _by_the_hosts_row(job, anna):
    Portrait.objects.get().delete()


@pytest.mark.clause("PIXEL-6.2a", "PIXEL-6.2c", "MIAO-8.2a", "MIAO-8.2b", "HILI-6", "AIART-5.1")
@pytest.mark.parametrize(
    "delete",
    [
        lambda job, anna: delete_jobs(job_ids=[job.pk]),
        lambda job, anna: delete_photos(subject_ref=job.subject_ref),
        _by_rest, _by_admin, _by_admin_list, _by_the_hosts_row,
    ],
)  # fmt: skip
def test_a_job_deleted_by_any_door_stays_deleted(settings, anna, delete):
    portrait = Portrait.objects.create(owner=anna, title="Anna")
    portrait.image.save("a.jpg", ContentFile(jpeg()))
    job = people.enhance(portrait.image, operations=["repair"], subject=anna)
    copy = Copy(settings)
    delete(job, anna)
    receipts_of_it = Receipt.objects.filter(kind="photo_deleted", object_id=str(job.pk))
    assert receipts_of_it.count() == 1
    copy.put_back()
    assert PhotoJob.objects.exists()
    replay.replay()
    assert not PhotoJob.objects.exists()
    assert receipts_of_it.count() == 1


@pytest.mark.clause("HILI-4.2", "PIXEL-6.2c", "MIAO-8.2b")
def test_a_store_that_was_put_back_too_erases_again(settings, anna, work):
    job = people.enhance(jpeg(), operations=["repair"], subject=anna)
    work()
    held = {str(job.pk)}
    stores.register(
        "thumbs",
        erase=lambda scope: held.discard(str(scope.job_id)),
        find=lambda scope: held & {str(scope.job_id)},
    )
    try:
        copy = Copy(settings)
        sweep(Media.objects.get(job=job).expires_at)
        assert not held
        copy.put_back()
        held.add(str(job.pk))
        replay.replay()
        sweep()
        assert not held
        assert not Erasure.objects.exists()
    finally:
        stores.unregister("thumbs")
