"""A large upload under a real ASGI server, slowly, while every open file of the server is read.

With Django's own application the same reading finds the photo: so it can see.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import stat
import sys
import time
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from django_hili.models import JobStatus, PhotoJob
from tests import people, photos
from tests.acceptance import places
from tests.browser.site import Site
from tests.host.models import Portrait
from tests.processes import kill_group, start_python, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
OURS = "django_hili.asgi:get_asgi_application"
DJANGOS = "django.core.asgi:get_asgi_application"
MIB = 1024 * 1024
CANARY = b"CANARY-IN-THE-PHOTO-"
PHOTO = photos.jpeg() + CANARY * (6 * MIB // len(CANARY))
WARNING = "StreamingHttpResponse must consume synchronous iterators"
BASIC = {"Authorization": f"Basic {b64encode(b'anna:anna').decode()}"}
JOBS = "/hili/api/v1/jobs/"


class Server:
    """The tests' site under uvicorn, with a temporary folder that nobody else uses."""

    def __init__(self, application: str, folder: Path) -> None:
        self.folder, self._told = folder, None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = start_python(
            "-m", "uvicorn", "--factory", application, "--port", str(self.port),
            TMPDIR=str(folder), PYTHONWARNINGS="always",
        )  # fmt: skip
        wait_until(self._is_there, what="the server")

    def _is_there(self) -> bool:
        assert self.process.poll() is None, self.stop()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> str:
        """End it; return what it printed."""
        if self._told is None:
            kill_group(self.process)
            self._told = self.process.communicate()[0].decode()
        return self._told

    def files(self) -> list[bytes]:
        """Every file it has open, and every file in its temporary folder."""
        paths = [*self.handles(), *self.folder.rglob("*")]
        return [kept for path in paths if (kept := read(path))]

    def nameless(self) -> int:
        """How many bytes lie in its temporary folder in files that the folder does not list."""
        here = [handle for handle in self.handles() if is_in(self.folder, handle)]
        return sum(found.st_size for handle in here if (found := status(handle)) is not None)

    def handles(self) -> list[Path]:
        return list(Path(f"/proc/{self.process.pid}/fd").iterdir())

    def ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        """Put one request; return status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content


def status(path: Path) -> os.stat_result | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def is_in(folder: Path, handle: Path) -> bool:
    try:
        return os.readlink(handle).startswith(f"{folder}/")
    except OSError:
        return False


def read(path: Path) -> bytes:
    try:
        return path.read_bytes() if status(path) else b""
    except OSError:
        return b""


@contextmanager
def served(application: str, folder: Path):
    server = Server(application, folder)
    try:
        yield server
    finally:
        server.stop()


class Upload:
    """A photo that arrives slowly; after every piece the server's files are looked at."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.was_seen = False
        self.most = 0
        """Bytes in nameless files, when there were most."""

    def send(self) -> tuple[int, dict]:
        """Upload; return status and body of the answer."""
        words = {"operations": "repair", "people_agreed": "true"}
        form = b"".join(
            f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{word}\r\n'.encode()
            for name, word in words.items()
        )
        form += (
            b'--x\r\nContent-Disposition: form-data; name="photo"; filename="me.jpg"\r\n'
            b"Content-Type: image/jpeg\r\n\r\n" + PHOTO + b"\r\n--x--\r\n"
        )
        head = (
            f"POST {JOBS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(form)}\r\n"
            f"Authorization: {BASIC['Authorization']}\r\nConnection: close\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as line:
            line.sendall(head.encode())
            for start in range(0, len(form) - 1000, MIB // 2):
                line.sendall(form[start : min(start + MIB // 2, len(form) - 1000)])
                self.look()
            # All but the end has come: it lies where it will lie until a view is asked.
            wait_until(lambda: self.server.nameless() > 5 * MIB, what="the body")
            self.look()
            line.sendall(form[-1000:])
            return self._answer(line)

    def look(self) -> None:
        self.most = max(self.most, self.server.nameless())
        self.was_seen |= any(CANARY in file for file in self.server.files())

    def _answer(self, line: socket.socket) -> tuple[int, dict]:
        line.settimeout(0.01)
        answer, end = b"", time.monotonic() + 60
        while time.monotonic() < end:
            try:
                piece = line.recv(65536)
            except TimeoutError:
                self.look()
                continue
            if not piece:
                break
            answer += piece
        parsed = http.client.HTTPResponse(SimpleNamespace(makefile=lambda *_: io.BytesIO(answer)))
        parsed.begin()
        return parsed.status, json.loads(parsed.read())


SEALED = pytest.mark.clause("MIAO-2.1d", "AIART-F2")


@pytest.mark.parametrize(
    ("application", "lies_open"),
    [pytest.param(OURS, False, marks=SEALED, id="ours"), pytest.param(DJANGOS, True, id="django")],
)
def test_a_large_upload_that_is_under_way(anna, work, stored, tmp_path, application, lies_open):
    people.agree(anna)
    with served(application, tmp_path) as server:
        upload = Upload(server)
        code, job = upload.send()
        assert code == 202, job
        assert upload.most > 5 * MIB
        assert upload.was_seen is lies_open
        wait_until(lambda: server.nameless() == 0, what="the body to be gone")
        assert list(tmp_path.iterdir()) == []
        work()
        assert PhotoJob.objects.get().status == JobStatus.DONE
        code, result = server.ask("GET", f"{JOBS}{job['id']}/result/", BASIC)
        assert (code, result[:2]) == (200, b"\xff\xd8")
        assert CANARY not in result
        assert server.ask("DELETE", f"{JOBS}{job['id']}/", BASIC)[0] == 204
        assert stored() == {}
        assert not any(CANARY in file for file in server.files())
        told = server.stop()
    assert ("An upload lay on a disk as it came" in told) is lies_open
    assert WARNING not in told


@pytest.mark.clause("HILI-1.2a", "AIART-0.1", "PIXEL-0.1", "MIAO-0.3", "MIAO-2.1d")
def test_a_large_upload_without_consent_leaves_nothing(anna, ben, stored, tmp_path):
    people.agree(ben)  # so that a policy is in force
    with served(OURS, tmp_path) as server:
        before = sorted(places.rows())
        upload = Upload(server)
        code, refusal = upload.send()
        assert (code, refusal["code"]) == (403, "age_needed")
        assert not upload.was_seen
        wait_until(lambda: server.nameless() == 0, what="the body to be gone")
        assert list(tmp_path.iterdir()) == []
        assert stored() == {}
        assert sorted(places.rows()) == before


@pytest.mark.clause("MIAO-2.1d", "AIART-F2")
def test_a_client_that_goes_leaves_nothing(anna, stored, tmp_path):
    people.agree(anna)
    with served(OURS, tmp_path) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
            line.sendall(
                f"POST {JOBS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {10**8}\r\n"
                "Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode() + PHOTO
            )
            wait_until(lambda: server.nameless() > 5 * MIB, what="the body")
        wait_until(lambda: server.nameless() == 0, what="the body to be gone")
        assert list(tmp_path.iterdir()) == []
        assert not PhotoJob.objects.exists()
        assert stored() == {}


def test_staff_see_the_hosts_own_photo(anna, tmp_path, django_user_model):
    portrait = Portrait.objects.create(owner=anna, image=ContentFile(PHOTO, "a.jpg"))
    job = people.enhance(portrait.image, operations=["repair"], subject=anna)
    client = Client()
    client.force_login(django_user_model.objects.create_superuser("staff"))
    cookie = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
    with served(OURS, tmp_path) as server:
        address = f"/admin/django_hili/photojob/{job.pk}/before/"
        assert server.ask("GET", address, cookie) == (200, PHOTO)
        assert server.ask("HEAD", address, cookie) == (200, b"")
        told = server.stop()
    assert WARNING not in told
    assert "Traceback" not in told


# The example site.

PHOTO_OF_DEMO = """
from django.contrib.auth import get_user_model
from django.test import Client
from django_hili.media.intake import clean_file
from example_project.gallery.models import Photo
from example_project.sample import age
demo = get_user_model().objects.get(username="demo")
client = Client()
client.force_login(demo)
photo = Photo.objects.create(owner=demo, title="One", image=clean_file(age.AGED))
print(photo.pk, photo.image.path, client.cookies["sessionid"].value)
"""


class AsgiSite(Site):
    """The example site under uvicorn."""

    def _command(self, *command: str) -> list[str]:
        if command[0] != "runserver":
            return super()._command(*command)
        port = self.address.rpartition(":")[2]
        return [sys.executable, "-m", "uvicorn", "example_project.asgi:application", "--port", port]


def test_the_example_site_shows_a_persons_own_photo(tmp_path):
    site = AsgiSite(tmp_path, PYTHONWARNINGS="always")
    try:
        site.start_pages()
        line = site.manage("shell", "--verbosity", "0", "-c", PHOTO_OF_DEMO).splitlines()[-1]
        key, path, session = line.split()
        host = http.client.HTTPConnection(site.address.removeprefix("http://"), timeout=60)
        host.request("GET", f"/photos/{key}/before/", headers={"Cookie": f"sessionid={session}"})
        answer = host.getresponse()
        assert (answer.status, answer.read()) == (200, Path(path).read_bytes())
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        host.close()
    finally:
        site.stop_all()
    told = (tmp_path / "pages.log").read_text()
    assert WARNING not in told
    assert "Traceback" not in told
