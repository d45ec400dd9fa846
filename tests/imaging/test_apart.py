"""Photos that must be decoded at the door are decoded in a process apart, under limits."""

from __future__ import annotations

import gc
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from django_hili.codes import Code
from django_hili.exceptions import InvalidPhotoError, ProviderError
from django_hili.imaging import apart, clean, decode, inspect, profiles
from django_hili.imaging.frames import unpack_head
from django_hili.imaging.rebuild import rebuild
from tests import photos
from tests.processes import ROOT, wait_until

pytestmark = pytest.mark.process
APART = {
    "turned jpeg": photos.seeded_jpeg(orientation=6),
    "webp": photos.seeded_webp(),
    "tiff": photos.saved(photos.picture(), "TIFF"),
    "bmp": photos.saved(photos.picture(), "BMP"),
    "gif": photos.saved(photos.picture(), "GIF"),
    "deep png": photos.sixteen_bit_rgb_png(),
    "profile": photos.jpeg(icc_profile=photos.swapped_profile()),
}


@pytest.fixture(autouse=True)
def _fresh():
    apart._idle.end()
    yield
    apart._idle.end()


def child_processes() -> list[int]:
    """The processes apart that this one has started, by number."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if b"imaging.apart_process" in line and parent == os.getpid():
            found.append(int(entry.name))
    return found


@pytest.mark.parametrize("kind", APART)
def test_it_is_made_as_it_would_be_here(kind):
    assert clean.clean(APART[kind], max_megapixels=40) == rebuild(APART[kind], max_megapixels=40)


@pytest.mark.parametrize("kind", APART)
def test_nothing_of_it_is_decoded_here(kind, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("decoded in this process")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", refuse)
    monkeypatch.setattr("PIL.ImageCms.ImageCmsProfile", refuse)
    monkeypatch.setattr(decode, "decode", refuse)
    if kind not in {"turned jpeg", "deep png", "profile"}:
        monkeypatch.setattr(inspect, "_header", refuse)
    assert clean.clean(APART[kind], max_megapixels=40).width


def test_the_same_process_serves_again_and_every_photo_has_a_fork_of_its_own():
    for _ in range(3):
        clean.clean(APART["webp"], max_megapixels=40)
    assert len(child_processes()) == 1


def test_threads_do_not_wait_for_each_other_and_do_not_mix_answers():
    sizes = [(40 + n, 30 + n) for n in range(6)]
    made: dict[tuple[int, int], tuple[int, int]] = {}

    def one(size):
        photo = photos.saved(photos.picture(*size), "WEBP")
        for _ in range(5):
            cleaned = clean.clean(photo, max_megapixels=40)
        made[size] = (cleaned.width, cleaned.height)

    threads = [threading.Thread(target=one, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == {size: size for size in sizes}


def test_a_killed_process_is_a_refusal_and_the_next_photo_gets_a_new_one():
    clean.clean(APART["webp"], max_megapixels=40)
    (process,) = apart._idle._processes
    frozen = process._child.pid
    os.kill(frozen, signal.SIGSTOP)
    killer = threading.Timer(0.2, os.kill, (frozen, signal.SIGKILL))
    killer.start()
    with pytest.raises(InvalidPhotoError) as refusal:
        clean.clean(APART["webp"], max_megapixels=40)
    killer.join()
    assert refusal.value.code == Code.PHOTO_UNREADABLE
    assert clean.clean(APART["webp"], max_megapixels=40).width == 60


def test_one_that_died_while_it_waited_costs_nobody_a_photo():
    clean.clean(APART["webp"], max_megapixels=40)
    os.kill(apart._idle._processes[0]._child.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert clean.clean(APART["webp"], max_megapixels=40).width == 60


def test_over_time_it_is_ended_with_everything_it_started():
    slow = photos.saved(photos.picture(3000, 2500), "TIFF", compression="tiff_lzw")
    apart.rebuild_apart(APART["webp"], max_megapixels=40, time_limit=1)
    started = time.monotonic()
    (process,) = apart._idle._processes
    process._time_limit = 0.05
    with pytest.raises(InvalidPhotoError) as refusal:
        apart.rebuild_apart(slow, max_megapixels=40, time_limit=1)
    assert refusal.value.code == Code.PHOTO_UNREADABLE
    assert time.monotonic() - started < 2
    wait_until(lambda: not child_processes(), timeout=5, what="the process to go")


_HUNGRY = """
import resource, sys
from pathlib import Path
from PIL import Image
from django_hili.imaging import apart_process
photo = sys.stdin.buffer.read()
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
apart_process._limit(used + 30 * 1024**2, 30)
sys.stdout.buffer.write(apart_process._serve(photo, 40))
"""


def test_over_memory_it_is_refused():
    large = photos.saved(photos.picture(2500, 2000), "TIFF")  # 20 MB a copy
    frame = subprocess.run(
        [sys.executable, "-c", _HUNGRY],
        input=large, capture_output=True, cwd=ROOT, check=True, timeout=60,
    ).stdout  # fmt: skip
    head_size, content_size = unpack_head(frame[:8])
    assert json.loads(frame[8 : 8 + head_size])["code"] == Code.PHOTO_UNREADABLE
    assert content_size == 0


def test_the_door_refuses_size_before_it_decodes():
    with pytest.raises(InvalidPhotoError) as refusal:
        clean.clean(photos.saved(photos.picture(2000, 1000), "WEBP"), max_megapixels=1)
    assert refusal.value.code == Code.PHOTO_TOO_MANY_PIXELS
    assert refusal.value.params == {"limit": 1}


def test_without_a_process_it_is_not_the_photos_fault(monkeypatch):
    monkeypatch.setattr(apart, "interpreter", lambda: "/nowhere/python")
    with pytest.raises(ProviderError) as refusal:
        clean.clean(APART["webp"], max_megapixels=40)
    assert refusal.value.code == Code.ENGINE_UNAVAILABLE


def test_after_a_fork_the_child_starts_its_own():
    clean.clean(APART["webp"], max_megapixels=40)
    pid = os.fork()
    if pid == 0:
        try:
            lone = not apart._idle._processes
            width = clean.clean(APART["webp"], max_megapixels=40).width
            apart._idle.end()
            os._exit(0 if lone and width == 60 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert clean.clean(APART["webp"], max_megapixels=40).width == 60
    gc.collect()


def test_it_ends_with_the_process_that_started_it(tmp_path):
    pid = os.fork()
    if pid == 0:
        try:
            clean.clean(APART["webp"], max_megapixels=40)
            (tmp_path / "pid").write_text(str(apart._idle._processes[0]._child.pid))
        finally:
            os._exit(0)  # no atexit, as after kill -9
    os.waitpid(pid, 0)
    left = Path("/proc", (tmp_path / "pid").read_text())

    def is_gone() -> bool:
        try:
            return (left / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            return True

    wait_until(is_gone, timeout=5, what="the process to end by itself")


@pytest.mark.parametrize(
    ("profile", "is_plain"),
    [
        (photos.swapped_profile(), False),
        (b"", False),
        (b"\xff" * 400, False),
        (b"\0" * 128 + struct.pack(">I", 2**32 - 1) + b"desc" + b"\xff" * 40, False),
    ],
)
def test_profiles_are_told_by_their_name(profile, is_plain):
    assert profiles.is_srgb(profile) is is_plain


def test_plain_srgb_is_known_in_both_versions_of_the_format():
    from PIL import ImageCms

    newer = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert profiles.is_srgb(newer)
    text = b"desc\0\0\0\0" + struct.pack(">I", 18) + b"sRGB IEC61966-2.1\0"
    older = b"\0" * 128 + struct.pack(">I4sII", 1, b"desc", 144, len(text)) + text
    assert profiles.is_srgb(older)
