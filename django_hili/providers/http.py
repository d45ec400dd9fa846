"""The only module that knows httpx: slots, streaming both ways, one border for errors.

Owns connections, time-outs, size caps and silence in the logs. Knows no vendor: it carries forms
and answers. Addresses, tokens and secrets stay in memory: no message, `repr` or log holds them.

It speaks through httpx's transports, not its client: a client keeps cookies, and writes every
full address to the log.
Clauses C20, C27: HILI-API-5.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import socket
import ssl
import struct
import termios
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import httpcore
import httpx

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.providers.addresses import Target
from django_hili.providers.exchange import Answer, Arrival, Passage, Timeouts, moment, wait_told
from django_hili.providers.multipart import Form
from django_hili.providers.remote import Sink

MAX_ANSWER_BYTES = 1024 * 1024
_KEPT_OPEN_SECONDS = 50.0
_UNSENT_BYTES = 128 * 1024
_SIOCOUTQNSD = 0x894B
"""Linux's question for the bytes that wait in this machine."""
_PACKETS_OUT = struct.Struct("24xI")
"""Where `tcp_info` says how many packets are on their way."""
_NOT_CONFIRMED_AT_ONCE = 2
_ESTABLISHED = 1
"""The state of an open connection in Linux's `tcp_info`."""
_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy")
_NOT_A_PHOTO = ("text/", "application/json", "application/xml")
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "django-hili"}

_T = TypeVar("_T")
_is_ours: ContextVar[bool] = ContextVar("django_hili_request", default=False)


class Connections:
    """A number of slots, each one connection kept open, all sharing one TLS set-up.

    One pool of many connections looks through all of them for every request; slots do not.
    """

    def __init__(
        self,
        *,
        slots: int,
        timeouts: Timeouts,
        ca_file: str | None = None,
    ) -> None:
        self._timeouts = timeouts
        self._ca_file = ca_file
        self._is_closed = False
        self._gate = asyncio.Semaphore(slots)
        self._idle: list[_Slot] = []
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_silence)

    async def post(
        self,
        address: str,
        form: Form,
        *,
        headers: Mapping[str, str],
        within: float,
        passage: Passage | None = None,
    ) -> Answer:
        """Send a form, stop at the passage if there is one, and read the answer."""
        async with self._slot() as slot, asyncio.timeout(None) as deadline:
            exchange = _Exchange(slot, form, passage, deadline, self._timeouts)
            return await _at_border(exchange.post(address, headers, within), deadline)

    async def get(self, target: Target, sink: Sink, *, max_bytes: int, within: float) -> Arrival:
        """Stream what is at a checked target into `sink`; only a 200 that may be a photo is."""
        async with self._slot(target.host) as slot, asyncio.timeout(within) as deadline:
            return await _at_border(self._get(slot, target, sink, max_bytes), deadline)

    async def aclose(self) -> None:
        """Close every connection; those in use when they are given back."""
        self._is_closed = True
        while self._idle:
            await self._idle.pop().transport.aclose()

    async def _get(self, slot: _Slot, target: Target, sink: Sink, max_bytes: int) -> Arrival:
        request = httpx.Request(
            "GET",
            target.machine_address,
            headers={**_HEADERS, "Host": target.host_header},
            extensions={"timeout": self._timeouts.steps(), "sni_hostname": target.host},
        )
        async with _answered(slot, request) as response:
            told = _told(response)
            if response.status_code != httpx.codes.OK:
                return told
            _check_arrival(response, max_bytes)
            size = 0
            async for piece in response.aiter_raw():
                size += len(piece)
                if size > max_bytes:
                    raise ProviderError(Code.RESULT_FILE_TOO_LARGE)
                if piece:
                    await _of_caller(sink(piece))
            return Arrival(response.status_code, size)

    @contextlib.asynccontextmanager
    async def _slot(self, peer: str = "") -> AsyncIterator[_Slot]:
        async with self._gate:
            slot = await self._slot_for(peer)
            ours = _is_ours.set(True)
            try:
                yield slot
            finally:
                _is_ours.reset(ours)
                if self._is_closed:
                    await slot.transport.aclose()
                else:
                    self._idle.append(slot)

    async def _slot_for(self, peer: str) -> _Slot:
        if self._idle:
            # The one used last: its connection is the likeliest to be still open.
            slot = self._idle.pop()
            if slot.peer == peer:
                return slot
            # Its certificate was checked for another name, perhaps at the same machine.
            await slot.transport.aclose()
        return _Slot(_transport(self._ca_file), peer)


@dataclass(slots=True)
class _Slot:
    """One transport of one connection, and whom it is connected with."""

    transport: httpx.AsyncBaseTransport
    peer: str
    socket: Any = None

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Keep the socket when a connection is made."""
        if event == "connection.connect_tcp.complete":
            self.socket = info["return_value"].get_extra_info("socket")

    async def drained(self, patience: float) -> None:
        """Wait until the other side has everything that was written so far.

        What still waits in this machine's buffers would make the last bytes wait as well, and
        everything after the barrier is in doubt until the answer is here.
        """
        least, since, pause = None, time.monotonic(), 0.001
        while unsent := _unacknowledged(self.socket):
            self.check_open()
            if least is None or unsent < least:
                least, since = unsent, time.monotonic()
            elif time.monotonic() - since > patience:
                raise httpx.WriteTimeout("")
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.02)

    def check_open(self) -> None:
        """Raise if the other side has ended the connection.

        httpcore takes this error as its own: it stops writing and reads what the server may have
        said before it left, such as that there are no credits.
        """
        if _has_ended(self.socket):
            raise httpcore.WriteError


@dataclass(slots=True)
class _Exchange:
    """One form on its way out and the answer to it."""

    slot: _Slot
    form: Form
    passage: Passage | None
    deadline: asyncio.Timeout
    timeouts: Timeouts

    async def post(self, address: str, headers: Mapping[str, str], within: float) -> Answer:
        """Carry the form out and the answer in."""
        self._allow(within)
        async with contextlib.aclosing(self._body()) as body:
            request = httpx.Request(
                "POST",
                address,
                headers={
                    **_HEADERS,
                    **headers,
                    "Content-Type": self.form.content_type,
                    "Content-Length": str(self.form.size),
                },
                content=body,
                extensions=self._extensions(),
            )
            async with _answered(self.slot, request) as response:
                told = _told(response)
                content = await _bounded(response)
        return Answer(told.status, content, _date(response), told.retry_after)

    async def _body(self) -> AsyncGenerator[bytes]:
        if self.passage is None:
            yield self.form.whole()
            return
        async with contextlib.aclosing(self.form.until_last()) as pieces:
            while (piece := await _of_caller(anext(pieces, None))) is not None:
                yield piece
        await self.slot.drained(self.timeouts.write)
        self.slot.check_open()
        # A commit that waits its turn must not be cut off half-way by our own clock.
        self.deadline.reschedule(None)
        await _of_caller(self.passage.go_through())
        self._allow(self.timeouts.call)
        self.slot.check_open()
        self.passage.is_open = True
        yield self.form.tail

    def _extensions(self) -> dict[str, Any]:
        steps = {"timeout": self.timeouts.steps()}
        # Tracing costs a little for every event; only who waits for bytes to arrive needs it.
        return {**steps, "trace": self.slot.trace} if self.passage else steps

    def _allow(self, seconds: float) -> None:
        self.deadline.reschedule(asyncio.get_running_loop().time() + seconds)


class _CallerError(Exception):
    """Carries what a barrier, a sink or an upload raised past the border, unchanged."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__()


async def _of_caller(work: Awaitable[_T]) -> _T:
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's own
        raise _CallerError(error) from None


async def _at_border(work: Awaitable[_T], deadline: asyncio.Timeout) -> _T:
    """Await network work; what httpx raises leaves as `ProviderError`, with nothing behind it."""
    failure: Exception
    try:
        return await work
    except _CallerError as carried:
        failure = carried.error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError) as error:
        failure = _down(type(error).__name__)
    except asyncio.CancelledError:
        if not deadline.expired() or _is_cancelled_from_outside():
            raise
        failure = _down("TotalTimeout")
    # Raised out here, so that no context leads back to an error that holds an address.
    raise failure


def _is_cancelled_from_outside() -> bool:
    """Tell whether somebody else cancelled too: the deadline's own cancel counts as one."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 1


def _down(words: str) -> ProviderError:
    return ProviderError(Code.PROVIDER_DOWN, retryable=True, vendor_words=words)


@contextlib.asynccontextmanager
async def _answered(slot: _Slot, request: httpx.Request) -> AsyncIterator[httpx.Response]:
    response = await slot.transport.handle_async_request(request)
    response.request = request
    try:
        yield response
    finally:
        await response.aclose()


async def _bounded(response: httpx.Response) -> bytes:
    content = bytearray()
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise ProviderError(Code.PROVIDER_ANSWER_UNREADABLE, retryable=True)
    async for piece in response.aiter_raw():
        content += piece
        if len(content) > MAX_ANSWER_BYTES:
            raise ProviderError(Code.PROVIDER_ANSWER_UNREADABLE, retryable=True)
    return bytes(content)


def _check_arrival(response: httpx.Response, max_bytes: int) -> None:
    """Refuse by the headers what cannot be a result; what headers hide is counted later."""
    kind = response.headers.get("Content-Type", "").lower()
    encoding = response.headers.get("Content-Encoding", "identity")
    if kind.startswith(_NOT_A_PHOTO) or encoding != "identity":
        raise ProviderError(Code.RESULT_INVALID, retryable=True)
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise ProviderError(Code.RESULT_FILE_TOO_LARGE)


def _told(response: httpx.Response) -> Arrival:
    return Arrival(
        response.status_code,
        location=response.headers.get("Location", ""),
        retry_after=wait_told(response.headers.get("Retry-After", ""), _date(response)),
    )


def _date(response: httpx.Response) -> float | None:
    return moment(response.headers.get("Date", ""))


def _transport(ca_file: str | None) -> httpx.AsyncHTTPTransport:
    options: list[tuple[int, int, int]] = []
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        # Keeps the unsent part in the kernel small without narrowing what is in flight.
        options.append((socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES))
    return httpx.AsyncHTTPTransport(
        verify=_tls(ca_file),
        trust_env=False,
        socket_options=options,
        limits=httpx.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEPT_OPEN_SECONDS
        ),
    )


@lru_cache(maxsize=8)
def _tls(ca_file: str | None) -> ssl.SSLContext:
    """Build the TLS set-up once: it takes longer than a whole call."""
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def _unacknowledged(raw: socket.socket | None) -> int:
    """Return how many bytes the other side has not confirmed; 0 where the system cannot tell.

    Not counted are the last two packets once all have left this machine: a receiver that has
    nothing to say waits some 40 ms before it confirms those.
    """
    if raw is None:
        return 0
    try:
        unsent, left = (
            struct.unpack("i", fcntl.ioctl(raw.fileno(), request, bytes(4)))[0]
            for request in (_SIOCOUTQNSD, termios.TIOCOUTQ)
        )
        if not unsent and hasattr(socket, "TCP_INFO"):
            info = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _PACKETS_OUT.size)
            if _PACKETS_OUT.unpack(info)[0] <= _NOT_CONFIRMED_AT_ONCE:
                return 0
    except (OSError, ValueError, struct.error):
        return 0
    return int(left)


def _has_ended(raw: socket.socket | None) -> bool:
    """Tell whether the other side has closed or reset; False where the system cannot tell."""
    if raw is None or not hasattr(socket, "TCP_INFO"):
        return False
    try:
        return raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED
    except OSError:
        return True


def _silence(_record: logging.LogRecord) -> bool:
    """Keep httpx silent about our requests; the site's own use of httpx is none of ours."""
    return not _is_ours.get()
