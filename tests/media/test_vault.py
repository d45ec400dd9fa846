"""Photos go in by the piece and come out by the piece, whatever kind of storage there is."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import threading
import tracemalloc
import uuid

import pytest
from django.core.files.storage import Storage
from django.utils import timezone

from django_hili.codes import Code
from django_hili.exceptions import StorageError
from django_hili.media import vault
from django_hili.media.storages import photo_storage
from django_hili.models import EraseCause, Media, MediaKind, MediaState
from django_hili.privacy.erasure.erase import condemn

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = dt.timedelta(hours=1)
MIB = 1024 * 1024


class ReadingStore(Storage):
    """Takes a file as object stores do: by `read(n)`, without ever rewinding. In memory."""

    part = 5 * MIB // 4
    files: dict[str, bytes] = {}
    counts_only = False

    def _save(self, name, content):
        assert not content.seekable()
        parts, size = [], 0
        while part := content.read(self.part):
            size += len(part)
            if not self.counts_only:
                parts.append(part)
        self.files[name] = b"".join(parts)
        return name

    def _open(self, name, mode="rb"):
        import io

        if name not in self.files:
            raise FileNotFoundError
        return io.BytesIO(self.files[name])

    def delete(self, name):
        self.files.pop(name, None)

    def exists(self, name):
        return name in self.files

    def listdir(self, path):
        return [], [name.rpartition("/")[2] for name in self.files if name.startswith(path)]


@pytest.fixture(params=["folder", "reading"])
def storage(request, settings):
    ReadingStore.files = {}
    if request.param == "reading":
        settings.STORAGES = {
            **settings.STORAGES,
            "hili": {"BACKEND": "tests.media.test_vault.ReadingStore"},
        }
    return photo_storage()


def reserved() -> Media:
    now = timezone.now()
    return vault.reserve(kind=MediaKind.RESULT, now=now, expires_at=now + HOUR)


def published(media: Media) -> Media:
    assert vault.publish(media, job_id=uuid.uuid4())
    return Media.objects.get(pk=media.pk)


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 300_000])
def test_what_is_written_is_read_again(storage, size):
    content = os.urandom(size)
    media = reserved()
    vault.write(media, content)
    media = published(media)
    assert media.size == size
    assert vault.read(media) == content


@pytest.mark.parametrize("span", [(0, 0), (0, 1), (70_000, 70_001), (65_535, 65_537), (100, None)])
def test_a_part_is_read_without_the_rest(storage, span):
    content = os.urandom(200_000)
    media = reserved()
    vault.write(media, content)
    assert b"".join(vault.stream(published(media), *span)) == content[span[0] : span[1]]


@pytest.mark.clause("HILI-4.2", "MIAO-5.3", "PIXEL-4.4a")
@pytest.mark.parametrize(
    "end",
    [
        lambda rows, now: condemn(rows, EraseCause.REQUESTED, now),
        lambda rows, now: rows.update(expires_at=now),
        lambda rows, now: rows.update(wrapped_key=None),
        lambda rows, now: rows.delete(),
    ],
)
def test_a_row_read_before_its_photo_was_condemned_opens_nothing(storage, end):
    media = reserved()
    vault.write(media, b"FACE-MARKER")
    media = published(media)
    assert vault.read(media) == b"FACE-MARKER"
    end(Media.objects.filter(pk=media.pk), timezone.now())
    assert (media.state, media.wrapped_key is None) == ("live", False), "the one in hand is old"
    with pytest.raises(StorageError):
        vault.read(media)


def test_a_photo_is_opened_with_one_question(storage, django_assert_num_queries):
    media = reserved()
    vault.write(media, os.urandom(MIB))
    media = published(media)
    vault.read(media)  # how far the receipts are is asked once in a while
    with django_assert_num_queries(1):
        vault.read(media)


def test_what_is_still_being_written_is_read_by_its_worker_alone(storage):
    media = reserved()
    vault.write(media, b"RAW")
    assert b"".join(vault.stream_unpublished(media)) == b"RAW"
    with pytest.raises(StorageError):
        vault.read(media)
    Media.objects.filter(pk=media.pk).update(state="condemned")
    with pytest.raises(StorageError):
        list(vault.stream_unpublished(media))


def test_no_piece_is_larger_than_256_kib(storage):
    media = reserved()
    vault.write(media, os.urandom(MIB))
    assert max(map(len, vault.stream(published(media)))) <= 256 * 1024


def test_pieces_pushed_by_a_thread_arrive(storage):
    media = reserved()
    with vault.writing(media) as pipe:
        for number in range(100):
            pipe.push(bytes([number]) * 1000)
    assert pipe.size == 100_000
    assert vault.read(published(media)) == b"".join(bytes([n]) * 1000 for n in range(100))


def test_pieces_pushed_by_an_event_loop_arrive(storage):
    media = reserved()

    async def download():
        async with vault.arriving(media) as pipe:
            for number in range(100):
                await pipe.push(bytes([number]) * 1000)
        return pipe.size

    assert asyncio.run(download()) == 100_000
    assert vault.read(published(media)) == b"".join(bytes([n]) * 1000 for n in range(100))


def test_a_slow_storage_holds_the_event_loops_producer_back(settings, monkeypatch):
    """Backpressure: no more pieces are taken than there is room for."""
    stopped = threading.Event()

    def slow(self, name, content):
        stopped.wait(5)
        for _ in content.chunks():
            pass
        return name

    monkeypatch.setattr("django.core.files.storage.FileSystemStorage._save", slow)
    media = reserved()
    pushed = []

    async def download():
        async with vault.arriving(media) as pipe:
            try:
                async with asyncio.timeout(0.2):
                    for _ in range(100):
                        await pipe.push(b"x" * 1000)
                        pushed.append(1)
            except TimeoutError:
                stopped.set()

    asyncio.run(download())
    assert len(pushed) == 4


def test_a_producer_that_fails_leaves_no_file(storage, stored):
    media = reserved()

    async def download():
        async with vault.arriving(media) as pipe:
            await pipe.push(b"half a photo")
            raise ValueError("cut off")

    with pytest.raises(ValueError, match="cut off"):
        asyncio.run(download())
    assert not storage.exists(media.name)
    assert stored() == {}


def test_a_download_that_is_cancelled_ends_its_thread(storage):
    media = reserved()

    async def download():
        async with vault.arriving(media) as pipe:
            await pipe.push(b"half a photo")
            await asyncio.sleep(60)

    async def cancelled():
        task = asyncio.create_task(download())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancelled())
    for one in threading.enumerate():
        if one.name == "hili-store":
            one.join(5)
            assert not one.is_alive()
    assert not storage.exists(media.name)


@pytest.mark.parametrize("how", ["arriving", "writing", "write_pieces"])
def test_a_storage_that_fails_is_a_storage_error(how, monkeypatch):
    def full(self, name, content):
        for _ in content.chunks():
            raise OSError("no space left")

    monkeypatch.setattr("django.core.files.storage.FileSystemStorage._save", full)
    media = reserved()

    async def download():
        async with vault.arriving(media) as pipe:
            for _ in range(100):
                await pipe.push(b"x" * 1000)

    def push():
        with vault.writing(media) as pipe:
            for _ in range(100):
                pipe.push(b"x" * 1000)

    write = {
        "arriving": lambda: asyncio.run(download()),
        "writing": push,
        "write_pieces": lambda: vault.write(media, b"x"),
    }[how]
    with pytest.raises(StorageError) as caught:
        write()
    assert caught.value.code == Code.STORAGE_FAILED


def test_a_large_photo_is_never_whole_in_memory(settings, monkeypatch):
    """64 MiB through each kind of storage within a few pieces' room."""
    monkeypatch.setattr(ReadingStore, "counts_only", True)
    for backend in ("tests.media.test_vault.ReadingStore", None):
        if backend:
            settings.STORAGES = {**settings.STORAGES, "hili": {"BACKEND": backend}}
        media = reserved()
        tracemalloc.start()
        vault.write_pieces(media, (bytes(MIB // 4) for _ in range(256)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert media.size == 64 * MIB
        assert peak < 8 * MIB


def test_a_condemned_row_is_not_published():
    media = reserved()
    vault.write(media, b"x")
    Media.objects.update(state=MediaState.CONDEMNED)
    assert not vault.publish(media, job_id=uuid.uuid4())


def test_a_row_is_reserved_before_anything_is_known_and_described_at_the_end(photo):
    from django_hili.imaging.clean import clean

    media = reserved()
    assert (media.size, media.content_type) == (0, "")
    vault.write(media, photo)
    vault.publish(media, job_id=uuid.uuid4(), photo=clean(photo, max_megapixels=1))
    media.refresh_from_db()
    assert (media.content_type, media.width, media.height) == ("image/jpeg", 60, 40)
