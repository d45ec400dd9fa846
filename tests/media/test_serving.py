"""What a server does with an answer: sockets that are cut, HEAD that is drained, ASGI that waits.

A result that goes on delivery goes when all of it has been handed over, and not one byte earlier.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import io
import os
import time
import urllib.parse
import uuid
import warnings
import zipfile

import pytest
from django.core.files.base import ContentFile
from django.core.handlers.asgi import ASGIHandler
from django.test import Client
from django.utils import timezone

from django_hili.media import vault
from django_hili.media.vault import CHUNK
from django_hili.models import JobStatus, Media, MediaKind, PhotoJob
from django_hili.privacy.erasure import retention
from tests import people
from tests.host.models import Portrait

pytestmark = pytest.mark.django_db(transaction=True)
STRICT = pytest.mark.clause("AIART-F1", "AIART-F2", "AIART-4.1a")
CONTENT = os.urandom(8 * CHUNK)


@pytest.fixture
def strict(settings):
    """A site where a result goes on delivery."""
    settings.HILI = {"PRIVACY": {**settings.HILI["PRIVACY"], "PROFILE": "aiart"}}


@pytest.fixture
def job(anna, photo):
    """An ended job of Anna's with a result of some size."""
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    now = timezone.now()
    Media.objects.all().delete()
    PhotoJob.objects.filter(pk=job.pk).update(status=JobStatus.DONE, ended_at=now)
    result = vault.reserve(
        kind=MediaKind.RESULT, now=now, expires_at=retention.result_deadline(now), job_id=job.pk
    )
    result.content_type = "image/png"
    vault.write(result, CONTENT)
    assert vault.publish(result, job_id=job.pk)
    return job


def is_there(job) -> bool:
    return Media.objects.live().filter(job_id=job.pk).exists()


def cookie_of(user) -> str:
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"


def address_of(job) -> str:
    return f"/hili/api/v1/jobs/{job.pk}/result/"


# A real socket.


class Caller:
    """Somebody who asks over a socket and may hang up."""

    def __init__(self, url, user):
        self._address = urllib.parse.urlsplit(url).netloc
        self._cookie = cookie_of(user)

    def opened(self, method, path, **headers):
        connection = http.client.HTTPConnection(self._address, timeout=20)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers={"Cookie": self._cookie, **names})
        return connection, connection.getresponse()

    def __call__(self, method, path, **headers):
        connection, answer = self.opened(method, path, **headers)
        content = answer.read()
        connection.close()
        return answer, content


@pytest.fixture
def call(live_server, anna):
    return Caller(live_server.url, anna)


def soon_gone(job) -> bool:
    """Whether a result goes; the server's thread may be a moment behind the client."""
    until = time.monotonic() + 10
    while is_there(job) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_there(job)


def stays(job) -> bool:
    time.sleep(0.3)
    return is_there(job)


@STRICT
def test_a_question_about_a_result_delivers_nothing(strict, job, call):
    answer, content = call("HEAD", address_of(job))
    assert (answer.status, content) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.headers["Content-Type"] == "image/png"
    assert stays(job)
    etag = answer.headers["ETag"]
    answer, content = call("GET", address_of(job), If_None_Match=etag)
    assert (answer.status, content) == (304, b"")
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert stays(job)
    answer, content = call("GET", address_of(job))
    assert (answer.status, content) == (200, CONTENT)
    assert soon_gone(job)
    assert call("HEAD", address_of(job))[0].status == 410


@STRICT
@pytest.mark.parametrize("asked", ["bytes=0-9", "bytes=10-", "bytes=-10", "bytes=99999999-"])
def test_a_part_of_a_result_is_no_delivery(strict, job, call, asked):
    answer, content = call("GET", address_of(job), Range=asked)
    assert answer.status in {206, 416}
    assert len(content) < len(CONTENT)
    assert stays(job)


@STRICT
def test_a_client_that_hangs_up_keeps_its_result(strict, job, call, monkeypatch):
    fed = []
    monkeypatch.setattr("django_hili.media.delivery.stream", endless(fed))
    connection, answer = call.opened("GET", address_of(job))
    answer.read(1000)
    # `close` alone would leave the socket to the answer.
    answer.close()
    connection.close()
    until = time.monotonic() + 10
    while not fed and time.monotonic() < until:
        time.sleep(0.02)
    assert fed == ["cut"]
    assert stays(job)


def endless(ended):
    """A photo too large for any buffer between here and there; tells how its reading ended."""

    def pieces(media, start=0, end=None):
        try:
            for _ in range(4000):
                yield bytes(CHUNK)
        except GeneratorExit:
            ended.append("cut")
            raise
        ended.append("whole")

    return pieces


# ASGI.


class CutError(Exception):
    """What a server of the newer kind raises on a connection that is gone."""


def ask(path, user, *, method="GET", cut_after=None, how="told", read=None, **headers):
    """Put one request to Django as an ASGI server does; return the messages that went out.

    After so many pieces the connection is cut: the server is told and what is sent waits for
    ever, or sending fails.
    """
    sent = []
    fields = {"cookie": cookie_of(user), "host": "testserver", **headers}
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": b"", "http_version": "1.1", "scheme": "http", "client": ("127.0.0.1", 1),
        "server": ("testserver", 80), "asgi": {"version": "3.0"},
        "headers": [
            (name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()
        ],
    }  # fmt: skip

    async def one():
        asked, cut = [], asyncio.Event()

        async def receive():
            if not asked:
                asked.append(True)
                return {"type": "http.request", "body": b"", "more_body": False}
            await cut.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append({**message, "read": None if read is None else len(read)})
            pieces = sum(1 for one in sent if one.get("body"))
            if cut_after is not None and pieces >= cut_after:
                if how == "fails":
                    raise CutError
                cut.set()
                await asyncio.Event().wait()

        try:
            await asyncio.wait_for(ASGIHandler()(scope, receive, send), 20)
        except CutError:
            assert how == "fails"

    with warnings.catch_warnings():
        # What Django says where it has to read all at once.
        warnings.filterwarnings("error", message="StreamingHttpResponse")
        # Django leaves the request's body to the collector when sending fails.
        warnings.filterwarnings("ignore", category=ResourceWarning)
        asyncio.run(one())
        gc.collect()
    return sent


def content_of(sent) -> bytes:
    return b"".join(message.get("body", b"") for message in sent)


@pytest.fixture
def read(monkeypatch):
    """Every piece that was read of a stored photo, as soon as it is."""
    pieces = []
    plain = vault.stream

    def counted(media, start=0, end=None):
        for piece in plain(media, start, end):
            pieces.append(len(piece))
            yield piece

    monkeypatch.setattr("django_hili.media.delivery.stream", counted)
    return pieces


def test_under_asgi_a_photo_is_never_in_memory_whole(anna, job, read):
    sent = ask(address_of(job), anna, read=read)
    assert content_of(sent) == CONTENT
    bodies = [message for message in sent if message.get("body")]
    assert len(bodies) == len(read) > 8
    for number, message in enumerate(bodies, start=1):
        assert message["read"] <= number + 1
    assert is_there(job)


@STRICT
def test_under_asgi_a_result_goes_after_its_last_byte(strict, anna, job):
    sent = ask(address_of(job), anna)
    assert (sent[0]["status"], content_of(sent)) == (200, CONTENT)
    assert not is_there(job)
    assert ask(address_of(job), anna)[0]["status"] == 410


@STRICT
@pytest.mark.parametrize("how", ["told", "fails"])
@pytest.mark.parametrize("cut_after", [1, 5, len(CONTENT)])
def test_under_asgi_a_cut_connection_keeps_the_result(strict, anna, job, read, how, cut_after):
    last = -(-len(CONTENT) // len(piece_of(job)))
    ask(address_of(job), anna, cut_after=min(cut_after, last), how=how)
    assert len(read) <= cut_after + 1
    assert is_there(job)


def piece_of(job) -> bytes:
    return next(vault.stream(Media.objects.get(job_id=job.pk)))


@STRICT
@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [("HEAD", {}, 200), ("GET", {"range": "bytes=1-"}, 206), ("GET", {"if_none_match": "*"}, 304)],
)
def test_under_asgi_less_than_everything_is_no_delivery(
    strict, anna, job, method, headers, status
):  # fmt: skip
    sent = ask(address_of(job), anna, method=method, **headers)
    assert sent[0]["status"] == status
    assert len(content_of(sent)) in {0, len(CONTENT) - 1}
    assert is_there(job)


def test_under_asgi_a_copy_is_written_while_it_is_sent(anna, job):
    sent = ask("/hili/api/v1/privacy/copy/", anna)
    archive = zipfile.ZipFile(io.BytesIO(content_of(sent)))
    photo = next(name for name in archive.namelist() if name.startswith("photos/result-"))
    assert archive.read(photo) == CONTENT
    assert sum(1 for message in sent if message.get("body")) > 4
    assert uuid.UUID(photo.removeprefix("photos/result-").removesuffix(".png"))


@pytest.mark.clause("HILI-3.3", "MIAO-6.3")
def test_under_asgi_staff_see_the_hosts_own_photo_piece_by_piece(anna, photo, django_user_model):
    large = photo + os.urandom(3 * CHUNK)
    portrait = Portrait.objects.create(owner=anna, image=ContentFile(large, "anna at home.jpg"))
    job = people.enhance(portrait.image, operations=["sr"], scale=2, subject=anna)
    staff = django_user_model.objects.create_superuser("staff")
    sent = ask(f"/admin/django_hili/photojob/{job.pk}/before/", staff)
    assert content_of(sent) == large
    assert sum(1 for message in sent if message.get("body")) > 4
    told = dict(sent[0]["headers"])
    assert told[b"Content-Length"] == str(len(large)).encode()
    assert told[b"Content-Disposition"] == b'inline; filename="photo"'
    assert b"private, no-store" in told[b"Cache-Control"]
    assert told[b"Content-Security-Policy"] == b"default-src 'none'; sandbox"
