"""A person's copy: one archive, only theirs, with a list that can be checked; and its one link."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import tracemalloc
import uuid
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from PIL import Image

from django_hili.codes import Code
from django_hili.exceptions import WrongStateError
from django_hili.media import vault
from django_hili.media.storages import photo_storage
from django_hili.models import Handover, Media, PhotoJob
from django_hili.privacy.audit.datamap import TABLES
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.rights import handover
from django_hili.privacy.rights.export import export
from tests import people, photos

pytestmark = pytest.mark.django_db(transaction=True)
COPY = ("HILI-6", "PIXEL-6.1", "MIAO-8.1", "MIAO-8.5")


@pytest.fixture
def two_people(anna, ben, photo, work):
    for user in (anna, ben):
        people.enhance(photo, operations=["sr"], scale=2, subject=user)
    work()
    people.enhance(photos.seeded_jpeg(), operations=["sr"], scale=2, subject=anna)
    return subject_ref_for(anna), subject_ref_for(ben)


def opened(pieces) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.testzip() is None
    return archive


@pytest.mark.clause(*COPY, "AIART-5.1")
def test_a_copy_holds_photos_data_and_a_manifest_that_matches(two_people):
    archive = opened(export(subject_ref=two_people[0]))
    names = archive.namelist()
    assert names[0] == "data.json"
    assert names[-1] == "manifest.json"
    assert len([name for name in names if name.startswith("photos/")]) == 2
    manifest = json.loads(archive.read("manifest.json"))
    assert [entry["name"] for entry in manifest["entries"]] == names[:-1]
    for entry in manifest["entries"]:
        content = archive.read(entry["name"])
        assert entry["size"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    for name in names[1:-1]:
        with Image.open(io.BytesIO(archive.read(name))) as picture:
            picture.load()


@pytest.mark.clause(*COPY)
def test_a_copy_is_exactly_what_the_map_hands_out_of_one_person(two_people):
    hers, his = two_people
    archive = opened(export(subject_ref=hers))
    held = json.loads(archive.read("data.json"))["held"]
    assert {row["id"] for row in held["photojob"]} == {
        str(pk) for pk in PhotoJob.objects.filter(subject_ref=hers).values_list("pk", flat=True)
    }
    for name, rows in held.items():
        exported = {label.removeprefix("sealed_") for label in TABLES[name].exported}
        assert all(set(row) == exported for row in rows), name
    everything = b"".join(archive.read(name) for name in archive.namelist()).decode("latin-1")
    for pk in Media.objects.filter(job__subject_ref=his).values_list("pk", flat=True):
        assert str(pk) not in everything
    for row in Media.objects.values():
        for hidden in ("name", "storage"):
            assert not row[hidden] or f'"{row[hidden]}"' not in everything
    assert str(hers) not in everything
    assert not [word for word in photos.CANARIES.values() if word in everything]


@pytest.mark.clause("MIAO-8.5")
def test_a_copy_is_never_stored(two_people, stored, tmp_path, monkeypatch):
    import tempfile

    def refuse(*args, **options):
        raise AssertionError("a temporary file was opened")

    for name in ("NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    before = stored()
    opened(export(subject_ref=two_people[0]))
    assert stored() == before


def test_a_copy_is_sent_by_the_piece(two_people, monkeypatch):
    mib = 1024 * 1024
    monkeypatch.setattr(
        "django_hili.media.vault.stream", lambda media: (b"x" * (mib // 4) for _ in range(160))
    )
    tracemalloc.start()
    try:
        size = sum(len(piece) for piece in export(subject_ref=two_people[0]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 80 * mib
    assert peak < 8 * mib


@pytest.mark.clause(*COPY)
@pytest.mark.parametrize("harm", ["condemned", "file gone", "altered", "half"])
def test_a_photo_that_cannot_be_read_is_named_and_the_rest_is_there(two_people, harm, monkeypatch):
    """Deleted on the way, lost by the storage, or damaged: nothing is left out in silence."""
    hurt = Media.objects.live().filter(job__subject_ref=two_people[0]).order_by("pk").first()
    name = f"photos/{hurt.kind}-{hurt.pk}.jpg"
    path = Path(photo_storage(hurt.storage).path(hurt.name))
    if harm in {"condemned", "half"}:
        real = vault.stream

        def stream(media):
            if media.pk == hurt.pk and harm == "half":
                yield b"".join(real(media))[:100]
            if media.pk == hurt.pk:
                Media.objects.filter(pk=media.pk).update(state="condemned")
            yield from real(media)

        monkeypatch.setattr(vault, "stream", stream)
    elif harm == "file gone":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[40] ^= 1
        path.write_bytes(content)
    archive = opened(export(subject_ref=two_people[0]))
    manifest = json.loads(archive.read("manifest.json"))
    assert [missed["name"] for missed in manifest["missing"]] == [name]
    altered = Code.STORED_PHOTO_ALTERED if harm == "altered" else Code.SOURCE_GONE
    assert manifest["missing"][0]["code"] == altered
    assert len(manifest["entries"]) == 2, "data.json and the other photo"
    assert name not in [entry["name"] for entry in manifest["entries"]]


def test_a_person_without_anything_gets_an_archive_that_says_so(ben):
    archive = opened(export(subject_ref=subject_ref_for(ben)))
    assert set(json.loads(archive.read("data.json"))["held"]) <= {"subject"}


@pytest.mark.clause("MIAO-8.5")
def test_a_link_opens_one_copy_once(two_people):
    made = handover.hand_over(subject_ref=two_people[0])
    assert made.token not in repr(Handover.objects.values().get())
    assert len(made.token) >= 43
    assert handover.is_usable(token=made.token)
    archive = opened(handover.take_copy(token=made.token))
    assert len(archive.namelist()) == 4
    for token in (made.token, "guessed", ""):
        assert not handover.is_usable(token=token)
        with pytest.raises(WrongStateError) as error:
            handover.take_copy(token=token)
        assert error.value.code == Code.LINK_GONE


@pytest.mark.clause("MIAO-8.5")
def test_a_link_ends_with_its_time_with_the_next_and_on_request(two_people):
    now = timezone.now()
    first = handover.hand_over(subject_ref=two_people[0], now=now)
    second = handover.hand_over(subject_ref=two_people[0], now=now)
    assert not handover.is_usable(token=first.token, now=now)
    assert handover.is_usable(token=second.token, now=now + handover.USABLE - dt.timedelta(1e-6))
    assert not handover.is_usable(token=second.token, now=now + handover.USABLE)
    assert handover.take_back(subject_ref=two_people[1]) == 0
    assert handover.take_back(subject_ref=two_people[0]) == 1
    assert not handover.is_usable(token=second.token, now=now)
    handover.hand_over(subject_ref=two_people[0], now=now)
    assert handover.drop_past(now) == 0
    assert handover.drop_past(now + handover.USABLE) == 1


@pytest.mark.clause("MIAO-8.5")
def test_a_copy_that_fails_on_our_side_does_not_use_its_link_up(two_people, monkeypatch):
    made = handover.hand_over(subject_ref=two_people[0])

    def fail(media):
        raise OSError("the storage's own error")

    with monkeypatch.context() as broken:
        broken.setattr(vault, "stream", fail)
        with pytest.raises(OSError, match="own error"):
            list(handover.take_copy(token=made.token))
    assert handover.is_usable(token=made.token)
    assert len(opened(handover.take_copy(token=made.token)).namelist()) == 4
    assert not handover.is_usable(token=made.token)


def test_the_command_leaves_a_whole_archive_or_no_file(two_people, tmp_path, monkeypatch):
    path = tmp_path / "copy.zip"
    words = ("hili_privacy", "export", "--to", str(path), "--subject")
    with pytest.raises(CommandError, match="Nobody is known"):
        call_command(*words, str(uuid.uuid4()), stdout=io.StringIO())
    assert not path.exists()

    def broken(*_):
        yield b"x"
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr("django_hili.privacy.rights.export._photo", broken)
        with pytest.raises(OSError):  # noqa: PT011 - raised above
            call_command(*words, str(two_people[0]), stdout=io.StringIO())
    assert not path.exists()
    call_command(*words, str(two_people[0]), stdout=io.StringIO())
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    with pytest.raises(CommandError, match="not overwritten"):
        call_command(*words, str(two_people[0]), stdout=io.StringIO())
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("hili_privacy", "export", "--to", str(tmp_path / "no" / "a.zip"),
                     "--subject", str(two_people[0]), stdout=io.StringIO())  # fmt: skip
