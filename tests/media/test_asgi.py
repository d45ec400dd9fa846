"""The body of a request under ASGI: in memory while it is small, then sealed, then gone."""

from __future__ import annotations

import asyncio
import os

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest

from django_hili.asgi import SealedASGIHandler, get_asgi_application
from django_hili.media import spool as spool_module
from django_hili.media import uploads

MARKER = b"FACE-MARKER-"
LARGE = MARKER * 400_000
PIECE = 60_000


@pytest.fixture
def files(monkeypatch):
    """Every file that was opened for a body."""
    opened = []
    real = spool_module.tempfile.TemporaryFile

    def noting(*args, **options):
        opened.append(real(*args, **options))
        return opened[-1]

    monkeypatch.setattr(spool_module.tempfile, "TemporaryFile", noting)
    return opened


def body_of(content: bytes, *, then=None, handler=SealedASGIHandler):
    """Have the handler read a body that comes in pieces; `then` comes in the last one's place."""
    pieces = [content[start : start + PIECE] for start in range(0, len(content), PIECE)] or [b""]
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False
    if then is not None:
        messages[-1] = then

    async def receive():
        message = messages.pop(0)
        if isinstance(message, BaseException):
            raise message
        return message

    return asyncio.run(handler().read_body(receive))


def test_the_application_is_djangos_but_for_the_body():
    application = get_asgi_application()
    assert isinstance(application, SealedASGIHandler)
    own = {name for name in vars(SealedASGIHandler) if not name.startswith("__")}
    assert own == {"read_body"}
    assert hasattr(ASGIHandler, "read_body")  # what is overridden is still called so


@pytest.mark.parametrize("content", [b"", b"a=1&b=2", bytes(2 * PIECE)], ids=["none", "few", "two"])
def test_a_small_body_stays_in_memory(files, content):
    body = body_of(content)
    assert body.read() == content
    assert files == []


@pytest.mark.clause("AIART-F2", "MIAO-2.1d")
def test_a_large_body_is_sealed_and_read_as_it_came(files):
    body = body_of(LARGE)
    (file,) = files
    file.flush()
    on_disk = os.pread(file.fileno(), 1 << 30, 0)
    assert len(on_disk) > len(LARGE)
    assert MARKER not in on_disk
    assert os.fstat(file.fileno()).st_nlink == 0
    assert body.read(100) == LARGE[:100]
    assert body.seek(0) == 0
    assert body.read() == LARGE
    body.close()
    assert file.closed


def test_lines_of_a_large_body(files):
    lines = [b"%d\r\n" % number * 1000 for number in range(1000)]
    body = body_of(b"".join(lines))
    assert files
    assert body.readline() == b"0\r\n"
    assert body.seek(0, os.SEEK_END) == sum(map(len, lines))
    body.seek(0)
    assert b"".join(body) == b"".join(lines)
    body.close()


@pytest.mark.clause("AIART-F2", "MIAO-2.1d")
@pytest.mark.parametrize(
    ("then", "raised"),
    [
        ({"type": "http.disconnect"}, RequestAborted),
        (asyncio.CancelledError(), asyncio.CancelledError),
    ],
    ids=["client", "server"],
)
def test_of_a_body_that_is_cut_nothing_stays_open(files, then, raised):
    with pytest.raises(raised):
        body_of(LARGE, then=then)
    assert [file.closed for file in files] == [True]


# Where it is not so, it is said.


def form_with(photo: bytes) -> bytes:
    head = (
        b'--x\r\nContent-Disposition: form-data; name="photo"; filename="me.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n"
    )
    return head + photo + b"\r\n--x--\r\n"


@pytest.fixture
def said(caplog):
    """What was said after an upload through a handler."""

    def upload(photo: bytes, handler) -> list[str]:
        uploads._say_that_bodies_lie_open.cache_clear()
        caplog.clear()
        form = form_with(photo)
        scope = {
            "type": "http", "method": "POST", "path": "/", "query_string": b"",
            "headers": [
                (b"content-type", b"multipart/form-data; boundary=x"),
                (b"content-length", str(len(form)).encode()),
            ],
        }  # fmt: skip
        for _ in range(2):
            request = ASGIRequest(scope, body_of(form, handler=handler))
            uploads.take_uploads(request)
            assert request.FILES["photo"].read() == photo
            request.close()
        return [record.getMessage() for record in caplog.records]

    return upload


def test_an_upload_that_lay_open_is_told_once(said):
    (told,) = said(LARGE, ASGIHandler)
    assert "get_asgi_application from django_hili.asgi" in told


@pytest.mark.parametrize(
    ("photo", "handler"), [(MARKER, ASGIHandler), (LARGE, SealedASGIHandler)],
    ids=["in memory", "sealed"],
)  # fmt: skip
def test_of_an_upload_that_did_not_nothing_is_told(said, photo, handler):
    assert said(photo, handler) == []


@pytest.mark.parametrize("there", [True, False])
def test_a_server_that_writes_uploads_as_they_come_is_told(monkeypatch, there):
    installed = apps.is_installed
    monkeypatch.setattr(
        apps, "is_installed", lambda name: there if name == "daphne" else installed(name)
    )
    found = {message.id for message in run_checks(tags=["django_hili"])}
    assert ("django_hili.W015" in found) is there
