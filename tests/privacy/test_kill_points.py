"""kill -9 at every point of an upload and of an erasure: the same end, one receipt for each photo.

A point is a statement that writes, a commit, a piece of an upload or of a file, a file written or
deleted, a key made or destroyed, receipts copied: whatever `kill.traps` knows. A deed is tried
again and again and dies one point later each time, until it gets through. INV-21.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.utils import timezone

from django_hili.jobs.canary import enhancing
from django_hili.jobs.canary.trial import run_canary
from django_hili.jobs.queries import result_of
from django_hili.jobs.worker.upkeep import upkeep
from django_hili.media import keys, sink, vault
from django_hili.models import (
    Case,
    Consent,
    EraseCause,
    JobStatus,
    Media,
    MediaKind,
    PhotoJob,
    ProviderState,
    Subject,
)
from django_hili.privacy.audit.residue.look import PLANT
from django_hili.privacy.consent.policies import publish
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.erasure import sweep
from django_hili.privacy.erasure.erase import ErasureReport
from django_hili.privacy.rights.exercise import cancel_account, delete_photos
from tests import people, photos
from tests.privacy import kill
from tests.receipts import erased, files, sweep_later

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.process,
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
MOST = 300
"""More points than any deed here passes."""
TRAILER = b"CANARYTRAILER"
STRIDE = int(os.environ.get("HILI_CANARY_STRIDE", "23"))
"""A trial passes many points; it dies at every so many-th of them, from a random one on."""


@pytest.fixture(autouse=True)
def _traps():
    with kill.traps():
        yield
    connections.close_all()


@pytest.fixture
def uploads_folder(settings):
    """A folder for uploads that nobody else uses."""
    folder = settings.BASE_DIR / "uploads"
    folder.mkdir(exist_ok=True)
    settings.FILE_UPLOAD_TEMP_DIR = str(folder)
    return folder


class Objects:
    """Every stored photo that was ever seen, as a row or as a file, and what is left of them."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def see(self) -> None:
        """Note what there is now."""
        self._seen |= {pk.hex for pk in Media.objects.values_list("pk", flat=True)}
        self._seen |= {path.name for path in files()}

    def check_the_end(self) -> None:
        """Nothing is stored, and each of them has its one receipt, in both places."""
        assert not Media.objects.exists()
        assert files() == []
        each = Counter(one["object"].replace("-", "") for one in erased())
        assert each == dict.fromkeys(self._seen, 1)


@pytest.fixture
def tell(capsys):
    """Say how many points were passed, whatever else is captured."""

    def say(deed: str, passed: list[str]) -> None:
        with capsys.disabled():
            kinds = len({point.rpartition(": ")[2] for point in passed})
            sys.stdout.write(f"\n{deed}: {len(passed)} deaths at {kinds} kinds of points\n")

    return say


def deaths(deed: Callable[[], Any]) -> Iterator[str]:
    """Die at each point of a deed in turn; yield which it was, each time in a world without it."""
    for at in range(1, MOST):
        point = kill.killed_during(deed, at)
        keys.forget_cached()  # what a fresh process does not know either
        sink.look_again()
        if not point:
            return
        yield point
    pytest.fail("the deed never gets through")


# Upload.


@pytest.mark.clause("HILI-4.2", "AIART-F1", "MIAO-2.1d", "AIART-F2")
def test_an_upload_that_dies_anywhere_is_whole_or_gone(anna, work, uploads_folder, tell):
    client, objects = people.client_of(anna), Objects()
    content = photos.jpeg() + TRAILER * 210_000
    passed, came_in = [], 0

    def upload() -> None:
        photo = SimpleUploadedFile("p.jpg", content, "image/jpeg")
        client.post("/hili/api/v1/jobs/", {"photo": photo, "operations": "repair"})

    for point in deaths(upload):
        passed.append(point)
        objects.see()
        assert list(uploads_folder.iterdir()) == []
        assert not any(TRAILER in path.read_bytes() for path in files())
        if PhotoJob.objects.exists():
            came_in += 1
            work()
            job = PhotoJob.objects.get()
            assert job.status == JobStatus.DONE
            assert vault.read(result_of(job))
            objects.see()
            delete_photos(subject_ref=job.subject_ref)
        sweep_later(hours=3)
        objects.check_the_end()
    tell("upload", passed)
    assert came_in >= 1
    assert {
        "before piece spooled", "after spool ended", "before key made", "after key linked",
        "insert django_hili_media", "after commit", "before file written", "before piece laid",
        "after file written", "insert django_hili_photojob", "update django_hili_media",
    } <= set(passed)  # fmt: skip
    assert PhotoJob.objects.get().status == JobStatus.QUEUED  # the last one got through


# Erase.


def two_photos(person) -> PhotoJob:
    """A job with a source and a result, both readable."""
    job = people.enhance(photos.jpeg(), operations=["repair"], subject=person)
    now = timezone.now()
    media = vault.reserve(
        kind=MediaKind.RESULT, now=now, expires_at=now + dt.timedelta(hours=1), job_id=job.pk
    )
    vault.write(media, photos.jpeg())
    assert vault.publish(media, job_id=job.pk)
    return job


def on_request(person) -> None:
    delete_photos(subject_ref=subject_ref_for(person))


def with_the_account(person) -> None:
    ref = Subject.objects.filter(user_key=str(person.pk)).first()
    if ref is not None:
        cancel_account(subject_ref=ref.pk)


def by_the_deadline(person) -> None:
    sweep_later(hours=2)


ENDS = {
    on_request: EraseCause.REQUESTED,
    with_the_account: EraseCause.CANCELLED,
    by_the_deadline: EraseCause.EXPIRED,
}


@pytest.mark.clause("HILI-4.2", "HILI-7b", "AIART-7.2", "PIXEL-4.4a", "MIAO-5.3", "MIAO-9.3")
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_an_erasure_that_dies_anywhere_is_finished_once(anna, end, tell):
    objects, passed = Objects(), []
    two_photos(anna)
    objects.see()
    for point in deaths(lambda: end(anna)):
        passed.append(point)
        objects.see()
        end(anna)  # whoever was not heard asks again; who was heard may, too
        upkeep()
        objects.check_the_end()
        two_photos(anna)
        objects.see()
    tell(end.__name__, passed)
    objects.check_the_end()
    kinds = Counter(one["facts"]["cause"] for one in erased())
    assert kinds == {ENDS[end].value: 2 * (len(passed) + 1)}
    assert {
        "update django_hili_media", "before commit", "after commit", "before unlink",
        "after unlink", "delete django_hili_media", "before receipts copied",
        "after receipts copied",
    } <= set(passed)  # fmt: skip


# A trial.


@pytest.mark.clause("HILI-5c", "AIART-4.2.2", "PIXEL-4.1b", "MIAO-7.3c")
def test_a_trial_that_dies_anywhere_is_swept(monkeypatch, uploads_folder, tell):
    publish()
    monkeypatch.setattr(enhancing, "_WORKER_HAS", 0.0)
    at, passed = random.SystemRandom().randrange(1, STRIDE + 1), []
    while point := kill.killed_during(run_canary, at):
        passed.append(f"{at}: {point}")
        keys.forget_cached()
        sink.look_again()
        sweep_later(hours=2)  # files without a row are an hour old at the first look,
        sweep_later(hours=3)  # and what is condemned then is erased by the next
        for model in (Media, PhotoJob, Subject, Consent, Case, ProviderState):
            assert not model._base_manager.exists(), (passed[-1], model)
        assert files() == [], passed[-1]
        left = list(settings.BASE_DIR.rglob(f"{PLANT}*"))
        assert left == [], passed[-1]
        at += STRIDE
    tell(f"trial, every {STRIDE} of {at} points", passed)
    assert len(passed) > 5


# The oracle sees what it looks for.


GUARDS = {
    "copy_all": (on_request, lambda: 0),
    "erase_condemned": (on_request, lambda: ErasureReport(erased=0, remaining=0)),
    "condemn": (lambda person: people.enhance(photos.jpeg(), operations=["repair"], subject=person),
                lambda *_: 0),
}  # fmt: skip
"""A part of the sweep, the deed it finishes, and what stands in its place."""


@pytest.mark.parametrize("guard", GUARDS)
def test_a_sweep_that_leaves_a_part_out_is_noticed(anna, monkeypatch, guard):
    deed, instead = GUARDS[guard]
    monkeypatch.setattr(sweep, guard, instead)
    objects = Objects()
    if deed is on_request:
        two_photos(anna)
        objects.see()
    for _ in deaths(lambda: deed(anna)):
        objects.see()
        if deed is on_request:
            upkeep()
            if PhotoJob.objects.exists():
                continue  # killed before the decision: everything is as it was
        else:
            sweep_later(hours=3)
        try:
            objects.check_the_end()
        except AssertionError:
            return
        if deed is on_request:
            two_photos(anna)
            objects.see()
    pytest.fail("nobody noticed")
