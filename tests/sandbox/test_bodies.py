"""What arrives at the door: whole bodies only, byte by byte over a raw connection."""

from __future__ import annotations

import socket
import struct
import time

import pytest

from django_hili.sandbox.bodies import BodyError, parse_multipart
from django_hili.sandbox.server import Control, Sandbox
from tests.sandbox.conftest import Caller
from tests.sandbox.photos import photo

BOUNDARY = "b0undary"


def form(*, content: bytes | None = None) -> bytes:
    fields = {"third_code": "site", "seq": "sr", "platform": "pc"}
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = (
        f"--{BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    file = head.encode() + (photo() if content is None else content) + b"\r\n"
    return b"".join(parts) + file + f"--{BOUNDARY}--\r\n".encode()


def head(caller: Caller, length: int, *extra: str) -> bytes:
    lines = [
        "POST /api/third/uploads HTTP/1.1",
        "Host: sandbox",
        f"token: {caller.token()}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {length}",
        *extra,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connected(sandbox: Sandbox) -> socket.socket:
    return socket.create_connection(("127.0.0.1", sandbox.port), timeout=5)


def settled(control: Control, name: str, *, within: float = 5.0) -> int:
    """Wait until the sandbox has counted something."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and not control.counts().get(name):
        time.sleep(0.02)
    return control.counts().get(name, 0)


@pytest.mark.parametrize("missing", [1, 2, 4, 20, 1000])
def test_an_upload_without_its_last_bytes_is_never_accepted(
    sandbox: Sandbox, caller: Caller, control: Control, missing
):
    body = form()
    with connected(sandbox) as connection:
        connection.sendall(head(caller, len(body)) + body[:-missing])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert settled(control, "bodies_cut_short") == 1
    assert control.ledger() == []
    assert caller.nums() == 100


def test_an_upload_waits_for_its_last_byte(sandbox: Sandbox, caller: Caller, control: Control):
    body = form()
    with connected(sandbox) as connection:
        connection.sendall(head(caller, len(body)) + body[:-1])
        time.sleep(0.3)
        assert control.ledger() == []
        connection.sendall(body[-1:])
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
    assert [entry["event"] for entry in control.ledger()] == ["accepted"]


def test_a_patient_client_is_told_to_go_on(sandbox: Sandbox, caller: Caller):
    body = form()
    with connected(sandbox) as connection:
        connection.sendall(head(caller, len(body), "Expect: 100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert b'"code": 200' in connection.recv(4096)


def test_one_connection_serves_many_requests(sandbox: Sandbox, caller: Caller, control: Control):
    body = form()
    control.clear_counts()
    with connected(sandbox) as connection:
        for _ in range(3):
            connection.sendall(head(caller, len(body)) + body)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
    assert control.counts()["uploads"] == 3
    assert control.counts()["connections"] <= 4  # ours, and those of the control


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\n\r\n", b"505"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431"),
    ],
)
def test_what_is_no_request_is_answered_and_ended(sandbox: Sandbox, request_head, status):
    with connected(sandbox) as connection:
        connection.sendall(request_head)
        answer = connection.recv(4096)
        assert answer.split(b" ")[1] == status
        assert b"Connection: close" in answer
    assert sandbox.process.poll() is None


def test_callers_who_go_away_at_once_do_not_end_it(sandbox: Sandbox, caller: Caller):
    for _ in range(500):
        connection = connected(sandbox)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert caller.nums() == 100


def test_a_large_upload_goes_by_way_of_a_file(caller: Caller):
    noise = photo(fmt="PNG") + b"\x00" * (6 * 1024 * 1024)
    (mdf,) = caller.uploaded(noise[:-12] + photo(fmt="PNG")[-12:])
    assert len(caller.fetched(mdf).content) == len(noise)


def test_fields_and_files_are_told_apart():
    parsed = parse_multipart(form(content=b"\r\n--x\r\n"), boundary=BOUNDARY.encode())
    assert parsed.first("seq") == "sr"
    assert parsed.files["file"][0].name == "a.jpg"
    assert parsed.files["file"][0].content == b"\r\n--x\r\n"
    assert parsed.first("nothing", "else") == "else"


def test_repeated_fields_keep_their_order():
    body = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="mdf"\r\n\r\n%d\r\n' % n for n in range(3)
    )
    assert parse_multipart(body + b"--b--", boundary=b"b").fields["mdf"] == ["0", "1", "2"]


def test_no_prefix_of_a_form_is_a_form():
    whole = form(content=b"x")
    for end in range(len(whole) - 2):
        with pytest.raises(BodyError):
            parse_multipart(whole[:end], boundary=BOUNDARY.encode())
    assert parse_multipart(whole[:-2], boundary=BOUNDARY.encode()).files
