"""How a result comes in: streamed, counted, under the right name, and whole or not at all."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.providers.hili import HiliProvider
from django_hili.testing import Collector, TrippedError
from tests.providers import certificates
from tests.providers.raw import HANDLE, Exchange, RawVendor, Script, options, run, visit

FILE = bytes(range(256)) * 1000
LIMIT = 10**6


def serving(serve: Script) -> Script:
    """Answer the download call with the server's own address, and leave the file to `serve`."""

    async def script(exchange: Exchange) -> None:
        await exchange.read()
        if exchange.method == "POST":
            host = exchange.headers["host"]
            url = f"http://{host}/static/{HANDLE}.jpg"
            await exchange.answer({"code": 200, "data": {"url": url}})
        else:
            await serve(exchange)

    return script


async def _whole(exchange: Exchange) -> None:
    await exchange.answer(FILE, headers={"Content-Type": "image/jpeg"})


async def _chunked(exchange: Exchange) -> None:
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for start in range(0, len(FILE), 10_000):
        piece = FILE[start : start + 10_000]
        exchange.writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    exchange.writer.write(b"0\r\n\r\n")


async def fetched(serve: Script, *, max_bytes: int = LIMIT, **more: Any) -> tuple[int, Collector]:
    sink = Collector()
    async with visit(serving(serve), **more) as (provider, _):
        size = await provider.fetch(HANDLE, sink, max_bytes=max_bytes)
    return size, sink


@pytest.mark.parametrize("serve", [_whole, _chunked])
def test_a_file_comes_in_whole(serve: Script) -> None:
    size, sink = run(fetched(serve))
    assert bytes(sink.content) == FILE
    assert size == len(FILE)


def test_the_file_request_carries_no_token() -> None:
    async def journey() -> None:
        async with visit(serving(_whole)) as (provider, vendor):
            await provider.fetch(HANDLE, Collector(), max_bytes=LIMIT)
            call, file = vendor.exchanges
        assert "token" in call.headers
        assert set(file.headers) == {"host", "accept-encoding", "user-agent"}
        assert file.headers["accept-encoding"] == "identity"

    run(journey())


def test_cookies_are_not_kept() -> None:
    async def cookie(exchange: Exchange) -> None:
        await exchange.answer(FILE, headers={"Set-Cookie": "who=me"})

    async def journey() -> None:
        async with visit(serving(cookie)) as (provider, vendor):
            for _ in range(2):
                await provider.fetch(HANDLE, Collector(), max_bytes=LIMIT)
        assert not any("cookie" in exchange.headers for exchange in vendor.exchanges)

    run(journey())


def _hops(count: int) -> Script:
    async def script(exchange: Exchange) -> None:
        done = exchange.path.count("hop")
        if done < count:
            headers = {"Location": exchange.path + "/hop"}
            await exchange.answer(b"", status=302, headers=headers)
        else:
            await _whole(exchange)

    return script


@pytest.mark.parametrize("count", [1, 2])
def test_two_redirects_are_followed(count: int) -> None:
    size, _ = run(fetched(_hops(count)))
    assert size == len(FILE)


async def _endless(exchange: Exchange) -> None:
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n")
    while True:
        exchange.writer.write(bytes(10_000))
        await exchange.writer.drain()


async def _announced_huge(exchange: Exchange) -> None:
    await exchange.answer(b"x", length=10**12)


async def _cut_short(exchange: Exchange) -> None:
    await exchange.answer(FILE[:1000], length=len(FILE))
    exchange.cut()


async def _chunk_cut_short(exchange: Exchange) -> None:
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc")
    exchange.cut()


async def _silent(exchange: Exchange) -> None:
    await exchange.answer(FILE[:1000], length=len(FILE))
    await asyncio.sleep(5)


async def _dribbling(exchange: Exchange) -> None:
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        exchange.writer.write(b"x")
        await exchange.writer.drain()
        await asyncio.sleep(0.05)


async def _empty(exchange: Exchange) -> None:
    await exchange.answer(b"")


def _said(status: int = 200, **headers: str) -> Script:
    async def script(exchange: Exchange) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await exchange.answer(b"<html>", status=status, headers=named)

    return script


BROKEN = [
    # what the result address does, code, retryable, whether bytes may have reached the sink
    (_endless, Code.RESULT_FILE_TOO_LARGE, False, True),
    (_announced_huge, Code.RESULT_FILE_TOO_LARGE, False, False),
    (_cut_short, Code.PROVIDER_DOWN, True, True),
    (_chunk_cut_short, Code.PROVIDER_DOWN, True, True),
    (_silent, Code.PROVIDER_DOWN, True, True),
    (_dribbling, Code.PROVIDER_DOWN, True, True),
    (_empty, Code.RESULT_INVALID, True, False),
    (_said(Content_Type="text/html; charset=utf-8"), Code.RESULT_INVALID, True, False),
    (_said(Content_Type="Application/JSON"), Code.RESULT_INVALID, True, False),
    (_said(Content_Encoding="gzip"), Code.RESULT_INVALID, True, False),
    (_said(206), Code.PROVIDER_DOWN, True, False),
    (_said(404), Code.PROVIDER_COPY_GONE, False, False),
    (_said(410), Code.PROVIDER_COPY_GONE, False, False),
    (_said(403), Code.PROVIDER_DOWN, True, False),
    (_said(500), Code.PROVIDER_DOWN, True, False),
    (_said(429, Retry_After="9"), Code.PROVIDER_BUSY, True, False),
    (_said(304), Code.PROVIDER_DOWN, True, False),
    (_hops(3), Code.RESULT_ADDRESS_REFUSED, False, False),
]


@pytest.mark.parametrize(("serve", "code", "retryable", "may_begin"), BROKEN)
def test_broken(serve: Script, code: Code, retryable: bool, may_begin: bool) -> None:
    async def journey() -> tuple[ProviderError, Collector]:
        sink = Collector()
        times = {"read": 0.5, "fetch": 1.0}
        async with visit(serving(serve), timeouts=times) as (provider, _):
            with pytest.raises(ProviderError) as caught:
                await provider.fetch(HANDLE, sink, max_bytes=LIMIT)
        return caught.value, sink

    error, sink = run(journey())
    assert (error.code, error.retryable) == (code, retryable)
    assert error.charged is False
    assert len(sink.content) <= (LIMIT if may_begin else 0)
    assert error.retry_after == (9.0 if code is Code.PROVIDER_BUSY else None)


def test_a_sinks_time_out_comes_out_as_it_is() -> None:
    async def journey() -> None:
        async with visit(serving(_whole)) as (provider, _):
            for error in (TimeoutError(), TrippedError()):
                with pytest.raises(type(error)) as caught:
                    await provider.fetch(HANDLE, Collector(error), max_bytes=LIMIT)
                assert caught.value is error

    run(journey())


def test_a_large_result_is_never_whole_in_memory() -> None:
    size = 30_000_000

    async def large(exchange: Exchange) -> None:
        exchange.writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        piece = bytes(60_000)
        for _ in range(size // len(piece)):
            exchange.writer.write(piece)
            await exchange.writer.drain()

    async def journey() -> int:
        async def sink(_: bytes) -> None:
            await asyncio.sleep(0)

        async with visit(serving(large)) as (provider, _):
            tracemalloc.start()
            try:
                assert await provider.fetch(HANDLE, sink, max_bytes=10**8) == size
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert run(journey()) < 4_000_000


def _resolver(asked: list[str]) -> Callable[[str, int], Any]:
    async def resolve(host: str, _: int) -> Sequence[str]:
        """A name that means another machine each time it is asked about."""
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.99"]

    return resolve


def test_a_name_is_resolved_once_and_the_checked_machine_contacted(tmp_path: Path) -> None:
    name, heard, asked = "photo.example.test", [], []  # type: ignore[var-annotated]
    certificate = certificates.make(tmp_path, name)

    async def journey() -> tuple[int, RawVendor]:
        async def script(exchange: Exchange) -> None:
            await exchange.read()
            if exchange.method == "POST":
                url = f"https://{name}:{vendor.port}/x.jpg"
                await exchange.answer({"code": 200, "data": {"url": url}})
            else:
                await _whole(exchange)

        tls = certificates.server_context(certificate, heard)
        async with RawVendor(script, tls=tls) as vendor:
            more = {"ca_file": str(certificate), "result_hosts": [f"{name}:{vendor.port}"]}
            provider = HiliProvider("x", options(vendor, **more), resolve=_resolver(asked))
            size = await provider.fetch(HANDLE, Collector(), max_bytes=LIMIT)
            await provider.aclose()
        return size, vendor

    size, vendor = run(journey())
    assert size == len(FILE)
    assert asked == [name]
    assert heard[-1] == name
    assert vendor.exchanges[-1].headers["host"] == f"{name}:{vendor.port}"


def test_a_certificate_for_another_name_is_not_enough(tmp_path: Path) -> None:
    """The machine has a good certificate, but not for the name that was asked for."""
    name = "photo.example.test"
    certificate = certificates.make(tmp_path, "other.example.test")

    async def journey() -> RawVendor:
        async def script(exchange: Exchange) -> None:
            await exchange.read()
            url = f"https://{name}:{vendor.port}/x.jpg"
            await exchange.answer({"code": 200, "data": {"url": url}})

        tls = certificates.server_context(certificate, [])
        async with RawVendor(script, tls=tls) as vendor:
            more = {"ca_file": str(certificate), "result_hosts": [f"{name}:{vendor.port}"]}
            provider = HiliProvider("x", options(vendor, **more), resolve=_resolver([]))
            with pytest.raises(ProviderError) as caught:
                await provider.fetch(HANDLE, Collector(), max_bytes=LIMIT)
            assert caught.value.code is Code.PROVIDER_DOWN
            await provider.aclose()
        return vendor

    assert [exchange.method for exchange in run(journey()).exchanges] == ["POST"]


def test_a_connection_is_not_shared_between_two_names_of_one_machine(tmp_path: Path) -> None:
    """It was made under the first name's certificate."""
    names = ["a.example.test", "b.example.test"]
    heard: list[str | None] = []
    certificate = certificates.make(tmp_path, *names)

    async def journey() -> None:
        async def script(exchange: Exchange) -> None:
            await exchange.read()
            if exchange.method == "POST":
                url = f"https://{names[len(vendor.exchanges) // 2 % 2]}:{vendor.port}/x.jpg"
                await exchange.answer({"code": 200, "data": {"url": url}})
            else:
                await _whole(exchange)

        async def resolve(_: str, __: int) -> Sequence[str]:
            return ["127.0.0.1"]

        tls = certificates.server_context(certificate, heard)
        async with RawVendor(script, tls=tls) as vendor:
            hosts = [f"{name}:{vendor.port}" for name in names]
            more = {"ca_file": str(certificate), "result_hosts": hosts}
            provider = HiliProvider("x", options(vendor, **more), resolve=resolve)
            for _ in range(4):
                await provider.fetch(HANDLE, Collector(), max_bytes=LIMIT)
            await provider.aclose()

    run(journey())
    assert [name for name in heard if name in names] == [*names, *names]
