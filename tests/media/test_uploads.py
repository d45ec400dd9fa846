"""No byte of an upload is readable on a disk, and the gate is asked before the first one."""

from __future__ import annotations

import os
import resource

import pytest
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile
from django.test import Client, RequestFactory

from django_hili.codes import Code
from django_hili.exceptions import InvalidPhotoError
from django_hili.media import spool as spool_module
from django_hili.media.spool import SealedSpool
from django_hili.media.uploads import take_uploads
from tests import photos

MIB = 1024 * 1024
MARKER = b"FACE-MARKER-"


@pytest.fixture
def uploaded():
    """Send a file as a browser would; what was opened is closed as Django does it."""
    requests = []

    def send(content: bytes, **options):
        request = RequestFactory().post("/", {"photo": _named(content)})
        requests.append(request)
        take_uploads(request, **options)
        return request.FILES["photo"]

    yield send
    for request in requests:
        request.close()


def _named(content: bytes):

    return SimpleUploadedFile("me at home.jpg", content, "image/jpeg")


@pytest.fixture
def written(monkeypatch):
    """Every byte any spool has on disk, read from the open file itself."""
    files = []
    real = spool_module.tempfile.TemporaryFile

    def noting(*args, **options):
        files.append(real(*args, **options))
        return files[-1]

    monkeypatch.setattr(spool_module.tempfile, "TemporaryFile", noting)

    def look() -> bytes:
        found = b""
        for file in files:
            file.flush()
            found += os.pread(file.fileno(), 1 << 30, 0)
        return found

    return look


def test_a_small_upload_stays_in_memory(written, uploaded):
    file = uploaded(MARKER * 1000)
    assert isinstance(file, InMemoryUploadedFile)
    assert file.read() == MARKER * 1000
    assert written() == b""


@pytest.mark.clause("AIART-F2", "MIAO-2.1d")
def test_a_large_upload_is_sealed_from_its_first_byte_on_disk(written, uploaded):
    content = MARKER * 600_000
    file = uploaded(content)
    on_disk = written()
    assert len(on_disk) > len(content)
    assert MARKER not in on_disk
    assert file.read() == content
    file.seek(5_000_000)
    assert file.read(24) == content[5_000_000:5_000_024]
    assert b"".join(file.chunks()) == content
    assert file.name == "photo"


@pytest.mark.clause("AIART-F2", "MIAO-2.1d")
def test_a_spool_has_no_name_that_a_crash_could_leave_behind(tmp_path, settings):
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    spool = SealedSpool()
    spool.add(MARKER * 100_000)
    assert list(tmp_path.iterdir()) == []
    spool.close()


def test_a_large_upload_is_never_whole_in_memory(settings):
    settings.HILI = {"LIMITS": {"MAX_BYTES": 200 * MIB}}
    request = RequestFactory().post("/", {})
    handler_piece = os.urandom(256 * 1024)
    take_uploads(request)
    handler = request.upload_handlers[0]
    handler.new_file("photo", "x", "image/jpeg", None)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(400):
        handler.receive_data_chunk(handler_piece, number * len(handler_piece))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    file = handler.file_complete(100 * MIB)
    assert grown < 20
    assert file is not None
    file.seek(100 * MIB - 10)
    assert file.read() == handler_piece[-10:]
    file.close()


@pytest.mark.parametrize("size", [200_000, 4 * MIB])
def test_a_file_over_the_cap_leaves_nothing(settings, size, uploaded):
    settings.HILI = {"LIMITS": {"MAX_BYTES": size - 1}}
    with pytest.raises(InvalidPhotoError) as caught:
        uploaded(bytes(size))
    assert caught.value.code == Code.PHOTO_TOO_LARGE


@pytest.mark.clause("HILI-1.2a")
def test_the_gate_is_asked_before_a_byte_is_kept(monkeypatch, uploaded):
    kept = []
    monkeypatch.setattr(
        "django_hili.media.uploads.SealedUploadHandler.keep", lambda *_: kept.append(1)
    )

    def closed(request):
        raise PermissionError

    with pytest.raises(PermissionError):
        uploaded(MARKER * 1000, gate=closed)
    assert kept == []


def test_a_sealed_upload_is_taken_in_as_any_other(uploaded):
    from django_hili.media.intake import take_in

    large = photos.png(1400, 1400)
    assert len(large) > 2.6e6
    assert take_in(uploaded(large)).width == 1400


def test_in_a_form_of_the_hosts_too_large_a_file_is_a_bad_request_and_no_error(settings):
    settings.FILE_UPLOAD_HANDLERS = ["django_hili.media.uploads.SealedUploadHandler"]
    settings.HILI = {**settings.HILI, "LIMITS": {"MAX_BYTES": 1000}}
    photo = SimpleUploadedFile("p.jpg", b"x" * 2000)
    # The page checks the token first, and so reads the body before any view could.
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    browser.get("/admin/login/")
    answer = browser.post("/admin/login/", {"photo": photo})
    assert answer.status_code == 400
