"""Nothing readable lies anywhere, and what was tampered with does not open."""

from __future__ import annotations

import datetime as dt
import io
import os
import uuid

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from django_hili.codes import Code
from django_hili.exceptions import StorageError
from django_hili.media import sealing, vault
from django_hili.media.sealing import SEGMENT, DamagedError, seal, sealed_size, unseal
from django_hili.media.storages import photo_storage
from django_hili.models import Media, MediaKind

HOUR = dt.timedelta(hours=1)
ONE, OTHER = uuid.uuid4(), uuid.uuid4()
KEY = sealing.new_key()
WHOLE = SEGMENT + 16


def opened(sealed: bytes, size: int, *, start: int = 0, end: int | None = None, object_id=ONE):
    file = io.BytesIO(sealed)
    end = size if end is None else end
    return b"".join(unseal(file, key=KEY, object_id=object_id, size=size, start=start, end=end))


def sealed_of(content: bytes, *, object_id=ONE) -> bytes:
    return b"".join(seal([content], key=KEY, object_id=object_id))


@given(
    size=st.integers(0, 3 * SEGMENT + 5),
    piece=st.integers(1, 3 * SEGMENT),
    span=st.tuples(st.integers(0, 3 * SEGMENT), st.integers(0, 4 * SEGMENT)),
)
@settings(max_examples=60, deadline=None)
def test_whatever_the_pieces_the_same_comes_out(size, piece, span):
    content = os.urandom(size)
    pieces = [content[at : at + piece] for at in range(0, size, piece)]
    sealed = b"".join(seal(pieces, key=KEY, object_id=ONE))
    assert len(sealed) == sealed_size(size)
    assert opened(sealed, size) == content
    start, end = min(span), max(span)
    if start < size:
        assert opened(sealed, size, start=start, end=end) == content[start:end]


@pytest.mark.parametrize("size", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT])
def test_sizes_around_a_segment(size):
    content = os.urandom(size)
    assert opened(sealed_of(content), size) == content


FOUR = os.urandom(4 * SEGMENT + 7)
TAMPERED = {
    "a segment cut off": lambda s: s[: 12 + 3 * WHOLE],
    "cut inside a segment": lambda s: s[:-3],
    "two segments swapped": lambda s: s[:12] + s[12 + WHOLE : 12 + 2 * WHOLE] + s[12 : 12 + WHOLE]
    + s[12 + 2 * WHOLE :],
    "a segment left out": lambda s: s[: 12 + WHOLE] + s[12 + 2 * WHOLE :],
    "a segment twice": lambda s: s[: 12 + WHOLE] + s[12:],
    "one bit changed": lambda s: s[:500] + bytes([s[500] ^ 1]) + s[501:],
    "one bit of a tag changed": lambda s: s[: 11 + WHOLE] + bytes([s[11 + WHOLE] ^ 1])
    + s[12 + WHOLE :],
    "another header": lambda s: s[:5] + bytes(7) + s[12:],
    "another format": lambda s: s[:4] + b"\x02" + s[5:],
    "something behind the end": lambda s: s + b"x",
    "nothing": lambda s: b"",
}  # fmt: skip


@pytest.mark.clause("AIART-4.2.1a", "PIXEL-4.2")
@pytest.mark.parametrize("how", TAMPERED)
def test_what_was_tampered_with_does_not_open(how):
    with pytest.raises(DamagedError):
        opened(TAMPERED[how](sealed_of(FOUR)), len(FOUR))


@pytest.mark.clause("AIART-4.2.1a", "PIXEL-4.2")
def test_what_was_moved_to_another_object_does_not_open():
    with pytest.raises(DamagedError):
        opened(sealed_of(FOUR, object_id=OTHER), len(FOUR))


def test_a_wrong_size_does_not_open():
    """Whoever shortens the row instead of the file gets nothing either."""
    for size in (len(FOUR) - SEGMENT, len(FOUR) + SEGMENT):
        with pytest.raises(DamagedError):
            opened(sealed_of(FOUR), size)


def test_nothing_of_a_damaged_segment_is_given_out():
    sealed = bytearray(sealed_of(FOUR))
    sealed[12 + 2 * WHOLE] ^= 1
    given_out: list[bytes] = []
    size = len(FOUR)
    pieces = unseal(io.BytesIO(sealed), key=KEY, object_id=ONE, size=size, start=0, end=size)
    with pytest.raises(DamagedError):
        given_out.extend(iter(pieces))
    assert b"".join(given_out) == FOUR[: 2 * SEGMENT]


def test_the_same_photo_twice_shares_no_byte_of_cipher_text():
    one, other = sealed_of(FOUR), sealed_of(FOUR)
    assert one[5:] != other[5:]


# In the vault.


@pytest.fixture
def photo_in_vault(transactional_db):
    now = timezone.now()
    media = vault.reserve(kind=MediaKind.RESULT, now=now, expires_at=now + HOUR)
    vault.write(media, b"FACE-MARKER-" * 50_000)
    vault.publish(media, job_id=uuid.uuid4())
    return Media.objects.get(pk=media.pk)


@pytest.mark.clause("HILI-5a", "AIART-4.2.1b", "AIART-F2", "PIXEL-4.1a", "MIAO-2.1d", "MIAO-7.3b")
def test_no_stored_byte_can_be_read(photo_in_vault, stored, settings):
    files = list(stored().values())
    assert files
    assert not any(b"FACE-MARKER" in content for content in files)
    # The same look finds it where sealing is off, so it can see what it looks for.
    settings.HILI = {**settings.HILI, "VAULT": {"ENCRYPT": False}}
    now = timezone.now()
    media = vault.reserve(kind=MediaKind.RESULT, now=now, expires_at=now + HOUR)
    vault.write(media, b"FACE-MARKER-" * 50_000)
    assert any(b"FACE-MARKER" in content for content in stored().values())


@pytest.mark.clause("PIXEL-4.1a")
def test_what_was_stored_in_an_older_format_still_opens(settings, transactional_db):
    settings.HILI = {**settings.HILI, "VAULT": {"ENCRYPT": False}}
    now = timezone.now()
    media = vault.reserve(kind=MediaKind.RESULT, now=now, expires_at=now + HOUR)
    vault.write(media, b"as it was")
    vault.publish(media, job_id=uuid.uuid4())
    settings.HILI = {**settings.HILI, "VAULT": {"ENCRYPT": True}}
    assert vault.read(Media.objects.get(pk=media.pk)) == b"as it was"


@pytest.mark.clause("AIART-4.2.1a", "PIXEL-4.2")
def test_a_file_changed_in_the_storage_is_refused(photo_in_vault):
    storage = photo_storage()
    with open(storage.path(photo_in_vault.name), "r+b") as file:
        file.seek(100_000)
        byte = file.read(1)
        file.seek(100_000)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(StorageError) as caught:
        vault.read(photo_in_vault)
    assert caught.value.code == Code.STORED_PHOTO_ALTERED


@pytest.mark.clause("AIART-4.2.1a", "PIXEL-4.2")
def test_a_key_moved_to_another_row_opens_nothing(photo_in_vault):
    now = timezone.now()
    other = vault.reserve(kind=MediaKind.RESULT, now=now, expires_at=now + HOUR)
    vault.write(other, b"another photo")
    vault.publish(other, job_id=uuid.uuid4())
    Media.objects.filter(pk=other.pk).update(
        wrapped_key=photo_in_vault.wrapped_key, name=f"{photo_in_vault.name}x"
    )
    with pytest.raises(StorageError):
        vault.read(Media.objects.get(pk=other.pk))


def test_nothing_opens_past_its_deadline_whether_or_not_the_sweep_has_run(photo_in_vault):
    Media.objects.filter(pk=photo_in_vault.pk).update(expires_at=timezone.now())
    with pytest.raises(StorageError):
        vault.read(photo_in_vault)
