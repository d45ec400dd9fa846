"""A real worker, with its threads and engine processes, brings jobs to their ends."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from django.utils import timezone
from PIL import Image

from django_hili.codes import Code
from django_hili.imaging.encode import SourceType, mark_of
from django_hili.jobs.queries import result_of
from django_hili.media import vault
from django_hili.models import JobStatus, Media, MediaKind, MediaState, PhotoJob
from django_hili.signals import enhancement_failed, photo_enhanced
from tests import people, photos

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]


@pytest.fixture
def heard():
    """What the signals said, in order."""
    said = []

    def on_done(sender, job, **_):
        said.append(("enhanced", job.pk, job.status))

    def on_failed(sender, job, **_):
        said.append(("failed", job.pk, job.code))

    photo_enhanced.connect(on_done)
    enhancement_failed.connect(on_failed)
    yield said
    photo_enhanced.disconnect(on_done)
    enhancement_failed.disconnect(on_failed)


def test_a_photo_is_enhanced_and_its_source_is_gone(anna, photo, work, stored, heard):
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    report = work()
    job.refresh_from_db()
    assert (report.done, job.status, job.code) == (1, JobStatus.DONE, "")
    result = result_of(job)
    assert list(stored()) == [result.name]
    assert (result.width, result.height) == (120, 80)
    assert Media.objects.filter(kind=MediaKind.SOURCE).count() == 0
    assert job.steps[0]["operation"] == "sr"
    assert heard == [("enhanced", job.pk, JobStatus.DONE)]
    assert (result.expires_at - job.ended_at).days == 30


def test_the_result_is_a_clean_photo(anna, work):
    job = people.enhance(
        photos.seeded_jpeg(orientation=6), operations=["sr"], scale=2, dpi=300, subject=anna
    )
    work()
    content = vault.read(result_of(job))
    opened = Image.open(io.BytesIO(content))
    assert opened.size == (80, 120)
    assert [round(value) for value in opened.info["dpi"]] == [300, 300]
    assert b"DigitalSourceType" in content
    assert [word for word in photos.CANARIES.values() if word.encode() in content] == []


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_photo_that_a_model_made_goes_on_saying_so(anna, work, orientation):
    exif = photos.seeded_exif(orientation)
    content = photos.saved(photos.picture(), "JPEG", exif=exif, xmp=SourceType.GENERATED.xmp)
    job = people.enhance(content, operations=["defogging"], subject=anna)
    work()
    assert mark_of(vault.read(result_of(job))) is SourceType.GENERATED


def test_alpha_and_grey_survive(anna, work):
    cut_out = photos.picture(mode="RGBA")
    cut_out.putalpha(Image.linear_gradient("L").resize(cut_out.size))
    wishes = {"operations": ["sr"], "scale": 2, "subject": anna}
    with_alpha = people.enhance(photos.saved(cut_out, "PNG"), **wishes)
    grey = people.enhance(photos.png(mode="L"), **wishes)
    work()
    opened = Image.open(io.BytesIO(vault.read(result_of(with_alpha))))
    assert (opened.mode, opened.size) == ("RGBA", (120, 80))
    lowest, highest = opened.getchannel("A").getextrema()
    assert lowest < 5
    assert highest > 250
    assert Image.open(io.BytesIO(vault.read(result_of(grey)))).mode == "L"


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_every_scale(anna, work, scale):
    job = people.enhance(photos.jpeg(33, 21), operations=["sr"], scale=scale, subject=anna)
    work()
    assert (result_of(job).width, result_of(job).height) == (33 * scale, 21 * scale)


def test_pixels_that_cannot_be_decoded_fail_that_job_alone(anna, photo, work, heard, stored):
    broken = bytearray(photos.png(64, 64))
    at = broken.index(b"IDAT") + 12
    import struct
    import zlib

    length = struct.unpack(">I", broken[at - 16 : at - 12])[0]
    start = at - 8
    broken[start : start + length] = bytes(length)  # a valid checksum over nonsense
    broken[start + length : start + length + 4] = struct.pack(
        ">I", zlib.crc32(broken[start - 4 : start + length])
    )
    bad = people.enhance(bytes(broken), operations=["sr"], scale=2, subject=anna)
    good = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    report = work()
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, bad.code) == (JobStatus.FAILED, Code.PHOTO_DAMAGED)
    assert good.status == JobStatus.DONE
    assert (report.done, report.failed) == (1, 1)
    assert len(stored()) == 1
    assert ("failed", bad.pk, Code.PHOTO_DAMAGED) in heard


def test_a_photo_that_needs_too_much_memory_fails_that_job_alone(settings, anna, work):
    settings.HILI = {
        "PROVIDERS": {
            "local": {
                "BACKEND": "django_hili.providers.local.LocalProvider",
                "OPTIONS": {"memory_limit": 320 * 2**20},
            }
        }
    }
    # A worker needs some 230 MiB for a small photo and 400 for this one.
    job = people.enhance(photos.jpeg(2900, 2900), operations=["sr"], scale=2, subject=anna)
    small = people.enhance(photos.jpeg(), operations=["sr"], scale=2, subject=anna)
    work()
    job.refresh_from_db()
    small.refresh_from_db()
    assert (job.status, job.code) == (JobStatus.FAILED, Code.ENGINE_CRASHED)
    assert small.status == JobStatus.DONE


def test_a_photo_that_takes_too_long_fails(settings, anna, work):
    settings.HILI = {
        "PROVIDERS": {
            "local": {
                "BACKEND": "django_hili.providers.local.LocalProvider",
                "OPTIONS": {"time_limit": 0.05},
            }
        }
    }
    job = people.enhance(photos.jpeg(800, 800), operations=["sr"], scale=4, subject=anna)
    work()
    job.refresh_from_db()
    assert (job.status, job.code) == (JobStatus.FAILED, Code.ENGINE_TIMED_OUT)


def test_a_source_that_vanished_fails_the_job(anna, photo, work, caplog):
    from django_hili.media.storages import photo_storage

    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    media = Media.objects.get(job=job)
    photo_storage(media.storage).delete(media.name)
    work()
    job.refresh_from_db()
    assert (job.status, job.code) == (JobStatus.FAILED, Code.SOURCE_GONE)
    assert f"Job {job.pk}: attempt 1: StorageError [source_gone]." in caplog.messages


def test_a_storage_that_fails_for_a_moment_is_tried_again(anna, photo, work, monkeypatch):
    from django_hili.media import vault as vault_module

    failures = iter([True])
    real = vault_module.photo_storage

    class Flaky:
        def __init__(self, storage):
            self._storage = storage

        def save(self, *args):
            if next(failures, False):
                raise OSError("no space left")
            return self._storage.save(*args)

        def __getattr__(self, name):
            return getattr(self._storage, name)

    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    monkeypatch.setattr(vault_module, "photo_storage", lambda alias: Flaky(real(alias)))
    report = work()
    job.refresh_from_db()
    assert (job.status, job.attempts, report.again) == (JobStatus.DONE, 2, 1)
    assert Media.objects.count() == 1


def test_a_photo_that_kills_every_worker_is_given_up(anna, photo, work):
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    PhotoJob.objects.filter(pk=job.pk).update(attempts=3)
    work()
    job.refresh_from_db()
    assert (job.status, job.code) == (JobStatus.FAILED, Code.TRIES_EXHAUSTED)


def test_progress_is_written_down(anna, work):
    seen = []
    job = people.enhance(photos.jpeg(500, 400), operations=["sr"], scale=4, subject=anna)
    work(on_progress=lambda job, stage, fraction: seen.append((job.pk, stage, fraction)))
    assert {(pk, stage) for pk, stage, _ in seen} == {(job.pk, "sr")}
    fractions = [fraction for _, _, fraction in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_many_jobs_once_each(anna, work, stored):
    jobs = [
        people.enhance(photos.jpeg(24 + n, 20), operations=["sr"], scale=2, subject=anna)
        for n in range(12)
    ]
    report = work()
    assert report.done == 12
    assert PhotoJob.objects.filter(status=JobStatus.DONE, attempts=1).count() == len(jobs)
    assert len(stored()) == 12
    assert Media.objects.filter(state=MediaState.LIVE).count() == 12


def test_a_paused_workers_late_result_is_thrown_away(anna, photo, work, stored):
    """The fencing token: whoever lost the lease changes nothing, and leaves no file."""
    from django_hili.exceptions import LostLeaseError
    from django_hili.jobs.moves import claim, finish
    from django_hili.providers.base import EnhancedPhoto

    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    now = timezone.now()
    slow = claim.claim(worker="slow", limit=1, lease=dt.timedelta(0), now=now, provider="local")[0]
    late = EnhancedPhoto(photo, "image/jpeg", 60, 40)
    media = finish.begin_storing(job=slow, result=late, now=now)
    vault.write(media, late.content)
    work()
    job.refresh_from_db()
    assert job.status == JobStatus.DONE
    winner = result_of(job)
    with pytest.raises(LostLeaseError):
        finish.complete(job=slow, media=media, result=late, now=timezone.now())
    with pytest.raises(LostLeaseError):
        finish.fail(job=slow, code=Code.INTERNAL_ERROR, now=timezone.now())
    assert list(stored()) == [winner.name]
