"""A real server on loopback that says exactly the bytes a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Self, TypeVar

from django_hili.providers.hili import HiliProvider
from django_hili.vocabulary import Enhancement, Operation

T = TypeVar("T")
PATIENCE_SECONDS = 30
ENHANCEMENT = Enhancement((Operation.REPAIR, Operation.SR), scale=2)
HANDLE = "40b37f58db153e5149f008421797714e"
ACCEPTED = {"code": 200, "data": {"mdf": [HANDLE]}}
SECRET = "CANARY-SECRET-KEY"
THIRD_CODE = "CANARY-THIRD-CODE"


def run(work: Awaitable[T]) -> T:
    """Run a test's coroutine; one that hangs fails."""

    async def bounded() -> T:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await work

    return asyncio.run(bounded())


@dataclass
class Exchange:
    """One request as it comes in, and the answer as a test wants it."""

    method: str
    path: str
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: bytearray = field(default_factory=bytearray)

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", 0))

    async def read(self, size: int | None = None) -> bytes:
        """Read the body until `size` bytes of it are here; all of it by default."""
        wanted = self.length if size is None else size
        while len(self.received) < wanted:
            piece = await self.reader.read(wanted - len(self.received))
            if not piece:
                break
            self.received += piece
        return bytes(self.received)

    async def answer(
        self,
        content: object,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        """Answer with JSON, or with bytes as they are."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        lines = {
            "Date": formatdate(usegmt=True),
            "Content-Length": str(len(body) if length is None else length),
            **(headers or {}),
        }
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        self.writer.write(head.encode() + b"\r\n" + body)
        await self.writer.drain()

    def cut(self) -> None:
        """Close the connection."""
        self.writer.close()

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.writer.transport.abort()


Script = Callable[[Exchange], Awaitable[None]]


class RawVendor:
    """Listens, counts connections, and hands every request to the script."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self.connections = 0
        self.exchanges: list[Exchange] = []
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        listening = socket.create_server(("127.0.0.1", 0))
        # Small, so that what was written and what has arrived are told apart.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._server = await asyncio.start_server(
            self._serve, sock=listening, ssl=self._tls, limit=4096
        )
        self.port = listening.getsockname()[1]
        self.base_url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.strip().split("\r\n")
                method, path, _ = first.split(" ")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
                exchange = Exchange(method, path, headers, reader, writer)
                self.exchanges.append(exchange)
                await self._script(exchange)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()


def options(vendor: RawVendor, **more: Any) -> dict[str, Any]:
    """Return options that reach a raw vendor."""
    given = {"third_code": THIRD_CODE, "secret_key": SECRET, "base_url": vendor.base_url}
    return {**given, **more}


@contextlib.asynccontextmanager
async def visit(script: Script, **more: Any) -> AsyncIterator[tuple[HiliProvider, RawVendor]]:
    """Give a provider and the raw vendor it speaks with."""
    async with RawVendor(script) as vendor:
        provider = HiliProvider("hili", options(vendor, **more))
        assert provider.problems() == ()
        try:
            yield provider, vendor
        finally:
            await provider.aclose()


def saying(content: object, **more: Any) -> Script:
    """Return a script that takes everything in and always answers the same."""

    async def script(exchange: Exchange) -> None:
        await exchange.read()
        await exchange.answer(content, **more)

    return script
