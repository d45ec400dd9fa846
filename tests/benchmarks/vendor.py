"""A vendor that costs next to nothing, so that a benchmark measures its client.

It speaks version 2 of the API over plain HTTP, answers from memory, checks no token, reads no
picture, and counts what it was asked. A process of its own:

    with running_vendor(photo=b"…", seconds=(5, 20)) as vendor: …
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HANDLES = re.compile(rb'name="mdf"\r\n\r\n([0-9a-f]+)\r\n')
_PIECE = 64 * 1024
_NEVER = float("inf")


class _Vendor:
    """What the vendor knows."""

    def __init__(self, photo: bytes, shortest: float, longest: float, rate: float) -> None:
        self.photo = photo
        self.span = (shortest, longest)
        self.rate = rate
        """Bytes a second of each result; 0: as fast as they go."""
        self.done_at: dict[str, float] = {}
        self.accepted_at: dict[str, float] = {}
        self.counts: Counter[str] = Counter()
        self._random = random.Random(7)
        self.root = ""

    def upload(self) -> dict[str, Any]:
        handle = f"{len(self.done_at):032x}"
        self.accepted_at[handle] = time.time()
        self.done_at[handle] = time.time() + self._random.uniform(*self.span)
        return {"mdf": handle}

    def status(self, body: bytes) -> dict[str, Any]:
        now = time.time()
        handles = [found.decode() for found in _HANDLES.findall(body)]
        self.counts["status_handles"] += len(handles)
        return {
            "mdfs": [
                {"mdf": handle, "code": int(self.done_at.get(handle, _NEVER) <= now)}
                for handle in handles
            ]
        }

    def download(self, body: bytes) -> dict[str, Any]:
        found = _HANDLES.search(body)
        assert found
        return {"url": f"{self.root}/f/{found[1].decode()}"}


class _Connection(asyncio.Protocol):
    """One connection: one request at a time, kept open. Photos are counted, not kept."""

    def __init__(self, vendor: _Vendor) -> None:
        self._vendor = vendor
        self._head = b""
        self._body = bytearray()
        self._left = 0
        self._path = ""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._path:
            self._head += data
            if b"\r\n\r\n" not in self._head:
                return
            head, data = self._head.split(b"\r\n\r\n", 1)
            self._head = b""
            self._path = head.split(b" ", 2)[1].decode()
            length = _LENGTH.search(head)
            self._left = int(length[1]) if length else 0
        self._left -= len(data)
        if not self._path.endswith("/uploads"):
            self._body += data
        if self._left <= 0:
            path, body = self._path, bytes(self._body)
            self._path, self._body = "", bytearray()
            self._answer(path, body)

    def _answer(self, path: str, body: bytes) -> None:
        vendor = self._vendor
        name = path.rpartition("/")[2]
        vendor.counts["file" if path.startswith("/f/") else name] += 1
        if path.startswith("/f/"):
            self._send(vendor.photo, "image/jpeg")
        elif path == "/books":
            books = {"counts": vendor.counts, "done": vendor.done_at, "at": vendor.accepted_at}
            self._send(json.dumps(books).encode(), "application/json")
        else:
            if name == "uploads":
                data = vendor.upload()
            elif name == "status":
                data = vendor.status(body)
            elif name == "download":
                data = vendor.download(body)
            else:
                data = {"nums": 1_000_000}
            answer = {"code": 200, "msg": "ok", "data": data}
            self._send(json.dumps(answer).encode(), "application/json")

    def _send(self, content: bytes, kind: str) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
        self._transport.write(head.encode())
        if self._vendor.rate and kind.startswith("image/"):
            asyncio.get_running_loop().create_task(self._dribble(content))
        else:
            self._transport.write(content)

    async def _dribble(self, content: bytes) -> None:
        for start in range(0, len(content), _PIECE):
            self._transport.write(content[start : start + _PIECE])
            await asyncio.sleep(_PIECE / self._vendor.rate)


async def _serve(vendor: _Vendor) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(vendor), "127.0.0.1", 0)
    vendor.root = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(vendor.root, flush=True)  # noqa: T201 - who started us waits for it
    await server.serve_forever()


@dataclass(frozen=True)
class Running:
    """A vendor that runs."""

    base_url: str

    def books(self) -> dict[str, Any]:
        """What it was asked, and when each photo was accepted and done, by its own clock."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.base_url}/books", timeout=10) as answer:
            return dict(json.load(answer))


@contextmanager
def running_vendor(
    *, photo: bytes, seconds: tuple[float, float] = (0.0, 0.0), rate: float = 0.0
) -> Iterator[Running]:
    """Start a vendor that gives `photo` for every photo, after so many seconds."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(photo)
        file.flush()
        words = [file.name, str(seconds[0]), str(seconds[1]), str(rate)]
        process = subprocess.Popen(
            [sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            yield Running(process.stdout.readline().strip())
        finally:
            process.kill()
            process.communicate()


if __name__ == "__main__":
    content = Path(sys.argv[1]).read_bytes()
    asyncio.run(_serve(_Vendor(content, *(float(word) for word in sys.argv[2:5]))))
