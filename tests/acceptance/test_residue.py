"""Nothing personal that came with a photo is anywhere afterwards. The scan sees its own plants.

A whole life with a real cluster, on SQLite and on PostgreSQL (HILI_TEST_DATABASE), and with each
control switched off, when what it holds back has to be found where it then lies.
"""

from __future__ import annotations

import dataclasses
import logging
import random
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from PIL import Image

from django_hili import queue
from django_hili.api import jobs
from django_hili.jobs.queries import result_of
from django_hili.media import intake, sealing, spool, uploads, vault
from django_hili.models import Basis, JobStatus, Media, PhotoJob, ProviderState
from django_hili.privacy.erasure import deletion, erase
from tests import people, photos
from tests.acceptance import places
from tests.acceptance.places import everywhere
from tests.processes import kill_group, start, wait_until
from tests.receipts import per_object
from tests.unsealed import Unsealed, opened_as_it_is
from tests.vendors import vendor_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
ALL = set(photos.CANARIES.values())


def everything_kept() -> bytes:
    """Every row of every table, every file under the site's folder, the database file itself."""
    parts = []
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            parts += [repr(row).encode() for row in cursor.fetchall()]
    parts += [
        path.read_bytes() for path in settings.BASE_DIR.rglob("*") if path.is_file()
    ]  # the SQLite file, its journal and both storages
    return b"\n".join(parts)


def found() -> set[str]:
    kept = everything_kept()
    return {word for word in ALL if word.encode() in kept}


SENT = {
    "jpeg": photos.seeded_jpeg(),
    "turned": photos.seeded_jpeg(orientation=8),
    "png": photos.seeded_png(),
    "webp": photos.seeded_webp(),
}


@pytest.mark.parametrize("kind", SENT)
@pytest.mark.clause("HILI-1.3.2", "AIART-1.2.2", "PIXEL-1.1.2.5")
@pytest.mark.clause("MIAO-2.1a", "MIAO-2.1c", "MIAO-0.1")
def test_nothing_personal_is_kept(anna, work, caplog, kind):
    caplog.set_level(logging.DEBUG)
    client = people.client_of(anna)
    name = f"{photos.CANARIES['file_name']}.jpg"
    answer = client.post(
        "/hili/api/v1/jobs/",
        {"photo": SimpleUploadedFile(name, SENT[kind]), "operations": "sr", "scale": 2},
    )
    assert answer.status_code == 202
    assert found() == set()
    work()
    assert PhotoJob.objects.get().status == JobStatus.DONE
    assert found() == set()
    assert [word for word in ALL if word in caplog.text] == []


def test_the_scan_sees_what_it_looks_for(anna):
    (settings.BASE_DIR / "photos").mkdir(exist_ok=True)
    (settings.BASE_DIR / "photos" / "plant").write_bytes(photos.seeded_jpeg())
    PhotoJob(preset=photos.CANARIES["file_name"])  # not saved: must not be found
    assert photos.CANARIES["gps"] in found()
    assert photos.CANARIES["file_name"] not in found()
    anna.first_name = photos.CANARIES["file_name"]
    anna.save()
    assert photos.CANARIES["file_name"] in found()


# A whole life, in every place there is.

NAME = photos.CANARIES["file_name"].encode()
IN_THE_PHOTO = {
    photos.CANARIES[part].encode() for part in ("camera", "comment", "xmp", "gps", "trailer")
}


class Sent:
    """A photo like no other, with something personal in every place, too large for memory."""

    def __init__(self) -> None:
        pixels = random.SystemRandom().randbytes(3 * 200 * 200)
        picture = Image.frombytes("RGB", (200, 200), pixels)
        photo = photos.saved(
            picture, "JPEG", quality=90, exif=photos.seeded_exif(),
            comment=photos.CANARIES["comment"].encode(),
            xmp=f"<x:xmpmeta>{photos.CANARIES['xmp']}</x:xmpmeta>".encode(),
        )  # fmt: skip
        self.pixels = set(slices(photo))
        self.words = {NAME, *IN_THE_PHOTO, *self.pixels}
        self.content = photo + photos.CANARIES["trailer"].encode() * 210_000

    def post(self, client, **options):
        """Upload it."""
        assert len(self.content) > settings.FILE_UPLOAD_MAX_MEMORY_SIZE
        upload = SimpleUploadedFile(f"{NAME.decode()}.jpg", self.content, "image/jpeg")
        return client.post(
            "/hili/api/v1/jobs/", {"photo": upload, "operations": "repair", **options}
        )


def slices(photo: bytes) -> list[bytes]:
    """Thirty bytes at a time that only this photo has."""
    return [photo[len(photo) * part // 5 :][:30] for part in (2, 3, 4)]


@pytest.fixture
def uploads_folder(settings):
    """A folder for uploads that nobody else uses."""
    folder = settings.BASE_DIR / "uploads"
    folder.mkdir(exist_ok=True)
    settings.FILE_UPLOAD_TEMP_DIR = str(folder)
    cache.clear()
    yield folder
    cache.clear()
    for path in folder.iterdir():
        path.unlink()


@pytest.fixture
def meanwhile(monkeypatch, uploads_folder):
    """What lay where in the middle of the upload, when the last byte had come."""
    seen: dict[str, bytes] = {}
    take_in = intake.take_in

    def looked(photo):
        seen.update(everywhere())
        return take_in(photo)

    monkeypatch.setattr(intake, "take_in", looked)
    return seen


@pytest.fixture
def cluster():
    """A real qcluster; its output is kept."""
    from django_q.models import OrmQ, Schedule

    queue.ensure_schedule()
    process = start("qcluster")
    told: list[bytes] = []

    def stop() -> bytes:
        if not told:
            kill_group(process)
            told.append(process.communicate()[0])
        return told[0]

    yield stop
    stop()
    Schedule.objects.all().delete()
    OrmQ.objects.all().delete()


@pytest.mark.clause("MIAO-2.1d", "AIART-F2", "HILI-5a", "HILI-4.2", "MIAO-5.3", "AIART-F1")
@pytest.mark.clause("HILI-1.3.2", "AIART-1.2.2", "PIXEL-1.1.2.5", "MIAO-0.1", "MIAO-2.1c")
def test_a_whole_life_leaves_nothing_in_any_place(anna, caplog, cluster, meanwhile):
    caplog.set_level(logging.DEBUG)
    sent, client = Sent(), people.client_of(anna)
    assert sent.post(client).status_code == 202
    assert meanwhile.keys() >= places.MUST
    assert len(meanwhile["open files"]) > settings.FILE_UPLOAD_MAX_MEMORY_SIZE
    assert places.found(sent.words, meanwhile) == {}
    job = PhotoJob.objects.get()
    wait_until(lambda: PhotoJob.objects.filter(status=JobStatus.DONE).exists(), what="the result")
    wait_until(lambda: Media.objects.count() == 1, what="the source to be gone")
    result = result_of(job)
    sent.words |= set(slices(vault.read(result)))
    assert places.found(sent.words, everywhere()) == {}
    assert client.delete(f"/hili/api/v1/jobs/{job.pk}/").status_code == 204
    after = everywhere()
    assert places.found(sent.words, after) == {}
    # Nor does anything refer to what is gone, but receipts, and those name it with dashes.
    after.pop("pages", None)
    assert places.found({result.pk.hex.encode()}, after) == {}
    assert per_object()[str(result.pk)] == 1
    assert sorted(per_object().values()) == [1, 1]
    told = cluster()
    log = caplog.text.encode() + told
    assert places.found(sent.words, {"log": log}) == {}


@pytest.mark.clause("HILI-API-8", "HILI-3.1.1b", "PIXEL-5.1b", "HILI-4.2", "HILI-1.3.2")
def test_a_whole_life_with_a_vendor_sends_the_photo_and_nothing_else(
    anna, work, settings, caplog, meanwhile
):
    caplog.set_level(logging.DEBUG)
    sent = Sent()
    with vendor_for(settings) as vendor, recorded(settings, vendor) as wire:
        client = people.client_of(anna)
        assert sent.post(client).status_code == 202
        work()
        job = PhotoJob.objects.get()
        assert job.status == JobStatus.DONE
        assert client.delete(f"/hili/api/v1/jobs/{job.pk}/").status_code == 204
    outbound = {"outbound": bytes(wire.sent)}
    assert places.found(sent.pixels, outbound) == {"outbound": sent.pixels}  # it was sent
    assert places.found(sent.words - sent.pixels, outbound) == {}
    assert places.found(sent.words, {**everywhere(), "log": caplog.text.encode()}) == {}
    assert sorted(per_object().values()) == [1, 1]


class recorded:  # noqa: N801 - used as a function
    """Everything between the site and the vendor goes by a wire that keeps it."""

    def __init__(self, settings, vendor) -> None:
        self._settings, self._vendor = settings, vendor

    def __enter__(self):
        self.wire = places.Recorder(self._vendor.port)
        entry = self._settings.HILI["PROVIDERS"]["hili"]
        options = {**entry["OPTIONS"], "base_url": f"http://127.0.0.1:{self.wire.port}"}
        providers = {"hili": {**entry, "OPTIONS": options}}
        self._settings.HILI = {**self._settings.HILI, "PROVIDERS": providers}
        return self.wire

    def __exit__(self, *_) -> None:
        self.wire.close()


# With a control switched off, what it holds back is found.


def name_kept_by(keep):
    """Have the upload handler do something with the name a file came under."""

    def throw(monkeypatch):
        new_file = uploads.SealedUploadHandler.new_file

        def kept(self, field_name, file_name, *rest, **options):
            keep(file_name)
            return new_file(self, field_name, file_name, *rest, **options)

        monkeypatch.setattr(uploads.SealedUploadHandler, "new_file", kept)

    return throw


def beside(folder: str, name: str) -> None:
    (settings.BASE_DIR / folder / "x").write_text(name)


def in_a_task(name: str) -> None:
    from django_q.tasks import async_task

    async_task(queue.SHIFT, name, save=False)


def without_cleaning(monkeypatch) -> None:
    clean = intake.clean

    def copied(content, **limits):
        return dataclasses.replace(clean(content, **limits), content=content)

    monkeypatch.setattr(intake, "clean", copied)
    without_sealing(monkeypatch)


def without_sealing(monkeypatch) -> None:
    from django.conf import settings

    hili = {**settings.HILI, "VAULT": {"ENCRYPT": False}}
    monkeypatch.setattr(settings, "HILI", hili)
    from django_hili.conf import _read

    _read.cache_clear()


def without_sealed_spool(monkeypatch) -> None:
    open_ = SimpleNamespace(new_key=sealing.new_key, Sealer=Unsealed, unseal=opened_as_it_is)
    monkeypatch.setattr(spool, "sealing", open_)


def without_our_handler(monkeypatch) -> None:
    monkeypatch.setattr(jobs, "take_uploads", lambda *_, **__: None)


OFF = {
    "sealing": (without_sealing, {"photos": "pixels"}),
    "cleaning": (without_cleaning, {"photos": "photo"}),
    "the sealed spool": (without_sealed_spool, {"open files": "photo"}),
    "the upload handler": (without_our_handler, {"uploads": "photo"}),
    "no name in rows": (
        name_kept_by(lambda name: ProviderState.objects.create(alias=name)),
        {"rows": "name", "pages": "name"},
    ),
    "no name in tasks": (name_kept_by(in_a_task), {"queue": "name"}),
    "no name in caches": (name_kept_by(lambda name: cache.set("x", name)), {"cache": "name"}),
    "no name in receipts": (
        name_kept_by(lambda name: beside("photos-evidence", name)),
        {"evidence": "name"},
    ),
    "no name in the key store": (
        name_kept_by(lambda name: beside("photos-keys", name)),
        {"keys": "name"},
    ),
    "no name in logs": (
        name_kept_by(lambda name: logging.getLogger("django_hili").warning("file %s", name)),
        {"log": "name"},
    ),
}


@pytest.mark.clause("MIAO-2.1d", "AIART-F2", "HILI-5a", "HILI-1.3.2", "MIAO-2.1c", "HILI-API-5")
@pytest.mark.parametrize("control", OFF)
def test_with_a_control_off_its_plant_is_found(
    anna, caplog, meanwhile, monkeypatch, control, request
):
    throw, expected = OFF[control]
    client, sent = people.client_of(anna), Sent()
    for folder in ("photos-evidence", "photos-keys"):
        (settings.BASE_DIR / folder).mkdir(exist_ok=True)
    throw(monkeypatch)
    request.addfinalizer(_forget_settings)
    sent.post(client)  # it may fail: what counts is what lies about
    caught = [meanwhile, everywhere(), {"log": caplog.text.encode()}]
    merged = {
        name: b"\n".join(each.get(name, b"") for each in caught)
        for name in {name for each in caught for name in each}
    }
    if "pages" not in merged:
        expected = {name: what for name, what in expected.items() if name != "pages"}
    if control == "no name in tasks":
        merged.pop("pages", None)  # packed there, and by chance or not in the clear
    words = {"name": {NAME}, "pixels": sent.pixels, "photo": IN_THE_PHOTO}
    hits = places.found(sent.words, merged)
    assert hits.keys() == expected.keys()
    for name, what in expected.items():
        assert words[what] <= hits[name]


def _forget_settings() -> None:
    from django_hili.conf import _read

    _read.cache_clear()


@pytest.mark.clause("HILI-4.2", "MIAO-5.3", "AIART-7.2")
def test_without_deleting_files_stay(anna, work, monkeypatch, uploads_folder):
    monkeypatch.setattr(erase, "erase_files", lambda _, names: list(names))
    media, job = lived(anna, work)
    assert places.found({media.pk.hex.encode()}, {"photos": everywhere()["photos"]})
    assert not PhotoJob.objects.filter(pk=job.pk).exists()


@pytest.mark.clause("HILI-4.2", "MIAO-5.3")
def test_without_erasing_rows_stay(anna, work, monkeypatch, uploads_folder):
    monkeypatch.setattr(deletion, "erase_condemned", lambda _: None)
    media, _ = lived(anna, work)
    kept = everywhere()
    assert {"photos", "rows"} <= places.found({media.pk.hex.encode()}, kept).keys()
    assert str(media.pk) not in per_object()


def lived(anna, work, **wishes):
    """A photo that was enhanced and then deleted by its person."""
    client = people.client_of(anna)
    photo = SimpleUploadedFile("p.jpg", photos.jpeg())
    client.post("/hili/api/v1/jobs/", {"photo": photo, "operations": "repair", **wishes})
    work()
    job = PhotoJob.objects.get()
    media = result_of(job)
    assert client.delete(f"/hili/api/v1/jobs/{job.pk}/").status_code == 204
    return media, job


def test_without_cleaning_the_vendor_gets_metadata(anna, work, settings, monkeypatch, meanwhile):
    clean = intake.clean
    monkeypatch.setattr(
        intake, "clean",
        lambda content, **limits: dataclasses.replace(clean(content, **limits), content=content),
    )  # fmt: skip
    sent = Sent()
    with vendor_for(settings) as vendor, recorded(settings, vendor) as wire:
        assert sent.post(people.client_of(anna)).status_code == 202
        work()
    assert places.found(sent.words, {"outbound": bytes(wire.sent)})["outbound"] >= IN_THE_PHOTO


# What stands in a row for a while, and what the pages keep of it when the row has gone.

REASON = b"CANARYREASON"


def gone_with_its_row(anna) -> None:
    """A word that a job's row holds in the clear, and the end of that job."""
    job = people.enhance(
        photos.jpeg(), operations=["repair"], subject=anna, basis=Basis.ATTESTATION,
        reason=REASON.decode(),
    )  # fmt: skip
    assert places.found({REASON}, {"rows": b"\n".join(places.rows())})
    deletion.delete_with_photos(job_ids=[job.pk], cause="requested")
    assert not places.found({REASON}, {"rows": b"\n".join(places.rows())})


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's pages")
@pytest.mark.parametrize("deletes", [True, False], ids=["secure_delete", "without"])
def test_free_pages_of_sqlite(anna, uploads_folder, deletes):
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA secure_delete={'ON' if deletes else 'OFF'}")
    gone_with_its_row(anna)
    assert (REASON in places.database_pages()) is not deletes


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's pages and log")
def test_dead_rows_of_postgresql(anna, uploads_folder):
    if places.database_pages() is None:
        pytest.skip("PostgreSQL's folder cannot be read from here")
    with places.kept_log():
        gone_with_its_row(anna)
        assert REASON in places.database_pages()  # until a vacuum
        places.vacuum()
        assert REASON not in places.database_pages()
        # A standby, or an archive of the log, that lags behind: nothing the app does reaches it.
        assert REASON in places.write_ahead_log()
