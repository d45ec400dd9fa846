"""Own a small threaded HTTP/1.1 server that can misbehave to the byte; must not know the API.

One thread per connection, kept alive. It exists because an ordinary server cannot lose an answer,
reset a connection or lie about a length on request, and because the development server of Django
spends more on a request than the sandbox itself does. It is for development: no TLS, no HTTP/2, and
no chunked request bodies.
"""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from http.client import responses
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from django.db import connections

from django_hili.sandbox.records import records
from django_hili.sandbox.wire import KEY, Wire, paced

_logger = logging.getLogger(__name__)

_LONGEST_LINE: Final = 65536
_MOST_HEADERS: Final = 100
_IDLE_SECONDS: Final = 75.0
_DRAIN_BYTES: Final = 1024 * 1024
_BACKLOG: Final = 1024
_BREATH_SECONDS: Final = 0.05
_PIECE: Final = 256 * 1024

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Any]


class BadRequestError(Exception):
    """What arrived is not a request that this server can read."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


class Body(io.RawIOBase):
    """A request body of known length; a connection that ends before it does is an error."""

    def __init__(
        self, source: io.BufferedReader[Any], length: int, proceed: Callable[[], None]
    ) -> None:
        self._source = source
        self._proceed: Callable[[], None] | None = proceed
        self.left = length

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return some bytes, at most ``size``; none at the end of the body only."""
        if self._proceed is not None and self.left:
            self._proceed()
        self._proceed = None
        wanted = self.left if size < 0 else min(size, self.left)
        piece = self._source.read(wanted) if wanted else b""
        self.left -= len(piece)
        if len(piece) < wanted:
            raise ConnectionResetError("the body ended early")
        return piece


class Server:
    """Listens, and serves a WSGI application from one thread per connection."""

    def __init__(self, application: Application, *, host: str, port: int) -> None:
        self._application = application
        self._is_closed = False
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self._socket.listen(_BACKLOG)
        self.host = host
        self.port = int(self._socket.getsockname()[1])

    def serve_forever(self) -> None:
        """Accept connections until the listening socket is closed."""
        while not self._is_closed:
            try:
                connection, address = self._socket.accept()
            except OSError as error:
                if not self._is_closed:
                    # One caller gone while it waited, or too many files open: not the end.
                    _logger.warning("a connection could not be accepted: %s", error)
                    time.sleep(_BREATH_SECONDS)
                continue
            thread = threading.Thread(
                target=self._serve, args=(connection, address[0]), name="hili-http", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                _logger.warning("no more threads: a connection was turned away")
                connection.close()

    def close(self) -> None:
        """Stop listening."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self, connection: socket.socket, peer: str) -> None:
        records.count("connections")
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_IDLE_SECONDS)
            with connection, socket.SocketIO(connection, "r") as raw:
                source = io.BufferedReader(raw, buffer_size=_LONGEST_LINE)
                while self._serve_one(connection, source, peer):
                    pass
        except OSError:
            # The peer went away, or its time was up; there is nobody left to tell.
            return
        finally:
            connections.close_all()

    def _serve_one(
        self, connection: socket.socket, source: io.BufferedReader[Any], peer: str
    ) -> bool:
        """Serve one request; return whether another may follow on this connection."""
        try:
            environ = self._read_head(source, peer)
        except BadRequestError as error:
            connection.sendall(_head(error.status, [("Content-Length", "0")], keeps_alive=False))
            return False
        if environ is None:
            return False
        body = Body(source, int(environ["CONTENT_LENGTH"] or 0), _proceed(connection, environ))
        wire = Wire()
        environ.update({"wsgi.input": body, KEY: wire})
        answer = _Answer()
        result = self._application(environ, answer.start)
        try:
            keeps_alive = _keeps_alive(environ) and body.left <= _DRAIN_BYTES
            keeps_alive = _send(connection, answer, result, wire, environ, keeps_alive=keeps_alive)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        if keeps_alive and body.left:
            body.read()
        return keeps_alive

    def _read_head(self, source: io.BufferedReader[Any], peer: str) -> Environ | None:
        """Read the request line and headers; None at the end of the connection."""
        line = source.readline(_LONGEST_LINE)
        if not line:
            return None
        parts = line.decode("latin-1").split()
        if len(parts) != len(("method", "target", "version")):
            raise BadRequestError(400)
        method, target, version = parts
        if not version.startswith("HTTP/1."):
            raise BadRequestError(505)
        path, _, query = target.partition("?")
        environ: Environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": self.host,
            "SERVER_PORT": str(self.port),
            "SERVER_PROTOCOL": version,
            "REMOTE_ADDR": peer,
            "CONTENT_LENGTH": "",
            "CONTENT_TYPE": "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": _FileWrapper,
        }
        _read_headers(source, environ)
        if "HTTP_TRANSFER_ENCODING" in environ:
            raise BadRequestError(411)
        if not (environ["CONTENT_LENGTH"] or "0").isdigit():
            raise BadRequestError(400)
        return environ


def _read_headers(source: io.BufferedReader[Any], environ: Environ) -> None:
    for _ in range(_MOST_HEADERS):
        line = source.readline(_LONGEST_LINE)
        if line in (b"\r\n", b"\n"):
            return
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise BadRequestError(400)
        key = name.strip().upper().replace("-", "_")
        if key not in ("CONTENT_LENGTH", "CONTENT_TYPE"):
            key = f"HTTP_{key}"
        environ[key] = value.strip()
    raise BadRequestError(431)


def _proceed(connection: socket.socket, environ: Environ) -> Callable[[], None]:
    """Return what tells a patient client to send its body; curl waits for it."""

    def proceed() -> None:
        if environ.get("HTTP_EXPECT", "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    return proceed


def _keeps_alive(environ: Environ) -> bool:
    wish = environ.get("HTTP_CONNECTION", "").lower()
    if environ["SERVER_PROTOCOL"] == "HTTP/1.0":
        return bool(wish == "keep-alive")
    return bool(wish != "close")


class _FileWrapper:
    """Marks an answer as a file, so that the kernel can send it."""

    def __init__(self, file: Any, block_size: int = _PIECE) -> None:
        self.file = file
        self.block_size = block_size
        self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.file.read(self.block_size):
            yield piece


class _Answer:
    """What the application said about its answer."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[str, str]] = []

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> object:
        """Take the status line and the headers; the writing callable of old is not offered."""
        del exc_info
        self.status = int(status.split(" ", 1)[0])
        self.headers = headers
        return None

    def declared_length(self) -> int | None:
        """Return the Content-Length the application gave, if it gave one."""
        for name, value in self.headers:
            if name.lower() == "content-length":
                return int(value)
        return None


def _send(
    connection: socket.socket,
    answer: _Answer,
    result: Iterable[bytes],
    wire: Wire,
    environ: Environ,
    *,
    keeps_alive: bool,
) -> bool:
    """Send an answer as its wire says; return whether the connection is still of use."""
    if wire.is_lost:
        if wire.is_reset:
            # Lingering for nought seconds makes close() send a reset.
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return False
    is_head = environ["REQUEST_METHOD"] == "HEAD"
    if isinstance(result, _FileWrapper) and wire.is_plain and not is_head:
        connection.sendall(_head(answer.status, answer.headers, keeps_alive=keeps_alive))
        connection.sendfile(result.file)
        return keeps_alive
    body = b"".join(result)
    declared = answer.declared_length()
    headers = answer.headers
    if declared is None:
        headers = [*headers, ("Content-Length", str(len(body)))]
    keeps_alive = keeps_alive and wire.is_plain and (is_head or declared in (None, len(body)))
    head = _head(answer.status, headers, keeps_alive=keeps_alive)
    if is_head:
        connection.sendall(head)
        return keeps_alive
    sent = body if wire.share is None else body[: int(len(body) * wire.share)]
    if not wire.bytes_per_second:
        connection.sendall(head + sent)
        return keeps_alive
    connection.sendall(head)
    for piece in paced(sent, wire.bytes_per_second):
        connection.sendall(piece)
    return keeps_alive


def _head(status: int, headers: list[tuple[str, str]], *, keeps_alive: bool) -> bytes:
    lines = [f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if not keeps_alive:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
