"""What leaves, when it leaves, and what a failure says about the credit."""

from __future__ import annotations

import asyncio
import email.parser
import email.policy
import time
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from django_hili.codes import Code
from django_hili.exceptions import LostLeaseError, ProviderError
from django_hili.providers.hili import HiliProvider
from django_hili.providers.remote import Upload
from django_hili.testing import CountingBarrier, sample_photo, upload_of
from tests.providers import certificates
from tests.providers.raw import (
    ACCEPTED,
    ENHANCEMENT,
    HANDLE,
    THIRD_CODE,
    Exchange,
    RawVendor,
    Script,
    options,
    run,
    saying,
    visit,
)

PHOTO = sample_photo(640, 480)
TAIL_WORD = b'name="platform"'


def parts_of(exchange: Exchange) -> dict[str, bytes]:
    """Read a form with the standard library's parser, which knows nothing of ours."""
    head = f"Content-Type: {exchange.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        head + bytes(exchange.received)
    )
    parts: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        parts[str(name)] = content
    return parts


async def failing(
    script: Script, *, photo: bytes = PHOTO, **more: Any
) -> tuple[ProviderError, CountingBarrier]:
    """Send a photo to a script and return the error and the barrier."""
    barrier = CountingBarrier()
    async with visit(script, **more) as (provider, _):
        with pytest.raises(ProviderError) as caught:
            await provider.send(upload_of(photo), ENHANCEMENT, barrier=barrier)
    return caught.value, barrier


@pytest.mark.clause("HILI-3.1.1b", "PIXEL-5.1b")
def test_the_form_is_exact() -> None:
    async def journey() -> None:
        async with visit(saying(ACCEPTED)) as (provider, vendor):
            handle = await provider.send(upload_of(PHOTO), ENHANCEMENT, barrier=CountingBarrier())
            (exchange,) = vendor.exchanges
        assert handle == HANDLE
        assert "transfer-encoding" not in exchange.headers
        assert len(exchange.received) == exchange.length
        parts = parts_of(exchange)
        assert parts.pop("file") == PHOTO
        assert parts == {
            "third_code": THIRD_CODE.encode(),
            "seq": b"repair,sr",
            "type": b"people",
            "rate": b"2",
            "dpi": b"300",
            "platform": b"pc",
        }
        assert b'filename="photo.jpg"' in exchange.received

    run(journey())


def test_everything_but_the_last_bytes_has_arrived_when_the_barrier_is_awaited() -> None:
    async def journey() -> None:
        arrived: list[bytes] = []

        async def script(exchange: Exchange) -> None:
            exchanges.append(exchange)
            await exchange.read()
            await exchange.answer(ACCEPTED)

        async def barrier() -> None:
            # What is in the server's kernel is the server's; give its task time to read it.
            await asyncio.sleep(0.3)
            arrived.append(bytes(exchanges[0].received))

        exchanges: list[Exchange] = []
        async with visit(script) as (provider, _):
            await provider.send(upload_of(PHOTO), ENHANCEMENT, barrier=barrier)
        (before,) = arrived
        assert PHOTO in before
        assert before.endswith(PHOTO)
        assert TAIL_WORD not in before
        whole = bytes(exchanges[0].received)
        assert TAIL_WORD in whole[len(before) :]
        assert len(whole) - len(before) < 256

    run(journey())


def test_the_barrier_waits_for_a_server_that_does_not_read() -> None:
    """This side's buffers would take the whole photo; it has not arrived for all that."""

    async def journey() -> None:
        may_read = asyncio.Event()
        awaited_at: list[float] = []

        async def script(exchange: Exchange) -> None:
            await may_read.wait()
            await exchange.read()
            await exchange.answer(ACCEPTED)

        async def barrier() -> None:
            awaited_at.append(time.monotonic())

        async with visit(script) as (provider, _):
            content = bytes(60_000)
            sending = asyncio.create_task(
                provider.send(upload_of(content), ENHANCEMENT, barrier=barrier)
            )
            await asyncio.sleep(0.5)
            assert awaited_at == []
            may_read.set()
            await sending
        assert len(awaited_at) == 1

    run(journey())


def test_the_barrier_holds_over_tls(tmp_path: Path) -> None:
    async def journey() -> None:
        certificate = certificates.make(tmp_path)
        may_read = asyncio.Event()
        before: list[bytes] = []
        exchanges: list[Exchange] = []

        async def script(exchange: Exchange) -> None:
            exchanges.append(exchange)
            await may_read.wait()
            await exchange.read()
            await exchange.answer(ACCEPTED)

        async def barrier() -> None:
            await asyncio.sleep(0.2)
            before.append(bytes(exchanges[0].received))

        tls = certificates.server_context(certificate, [])
        async with RawVendor(script, tls=tls) as vendor:
            provider = HiliProvider("hili", options(vendor, ca_file=str(certificate)))
            content = PHOTO * 3
            sending = asyncio.create_task(
                provider.send(upload_of(content), ENHANCEMENT, barrier=barrier)
            )
            await asyncio.sleep(0.4)
            assert before == []
            may_read.set()
            assert await sending == HANDLE
            await provider.aclose()
        assert before[0].endswith(content)
        assert TAIL_WORD in bytes(exchanges[0].received)

    run(journey())


def test_a_barrier_that_refuses_keeps_the_last_bytes_here() -> None:
    async def journey() -> None:
        seen: list[bytes] = []
        is_over = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            seen.append(await exchange.read())
            is_over.set()

        async with visit(script) as (provider, _):
            lost = LostLeaseError()
            with pytest.raises(LostLeaseError) as caught:
                await provider.send(upload_of(PHOTO), ENHANCEMENT, barrier=CountingBarrier(lost))
            assert caught.value is lost
            await is_over.wait()
        assert seen[0].endswith(PHOTO)
        assert TAIL_WORD not in seen[0]

    run(journey())


def test_time_at_the_barrier_is_not_counted() -> None:
    async def journey() -> None:
        async def barrier() -> None:
            await asyncio.sleep(0.8)

        async with visit(saying(ACCEPTED), timeouts={"send": 0.5, "call": 0.5}) as (provider, _):
            await provider.send(upload_of(PHOTO), ENHANCEMENT, barrier=barrier)

    run(journey())


def test_a_time_out_of_the_barrier_itself_comes_out_as_it_is() -> None:
    async def journey() -> None:
        async with visit(saying(ACCEPTED)) as (provider, _):
            with pytest.raises(TimeoutError):
                await provider.send(
                    upload_of(PHOTO), ENHANCEMENT, barrier=CountingBarrier(TimeoutError())
                )

    run(journey())


async def _cut(exchange: Exchange) -> None:
    await exchange.read(50_000)
    exchange.cut()


async def _reset(exchange: Exchange) -> None:
    await exchange.read(50_000)
    exchange.reset()


async def _deaf(exchange: Exchange) -> None:
    await exchange.read(10_000)
    await asyncio.sleep(5)


async def _early_page(exchange: Exchange) -> None:
    await exchange.read(10_000)
    await exchange.answer(b"<html>", status=503)
    exchange.cut()


@pytest.mark.parametrize("script", [_cut, _reset, _deaf, _early_page])
def test_what_breaks_before_the_barrier_has_cost_nothing(script: Script) -> None:
    error, barrier = run(failing(script, timeouts={"write": 0.4, "read": 0.4}))
    assert barrier.passes == 0
    assert error.charged is False
    assert error.retryable
    assert error.code in (Code.PROVIDER_DOWN, Code.PROVIDER_ANSWER_UNREADABLE)


def test_a_server_that_leaves_before_the_barrier_is_noticed_at_once() -> None:
    """Not when a time-out runs out: a slot is too dear for that."""
    for script in (_cut, _reset):
        began = time.monotonic()
        error, barrier = run(failing(script))
        assert (error.code, barrier.passes) == (Code.PROVIDER_DOWN, 0)
        assert time.monotonic() - began < 5


def test_what_a_server_says_before_it_leaves_is_heard() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.read(10_000)
        await exchange.answer({"code": 9000, "errno": 9101, "msg": "x"})
        await exchange.read(exchange.length - 200)
        exchange.writer.write_eof()

    # More than sockets hold: the answer is there long before the last bytes could leave.
    error, barrier = run(failing(script, photo=bytes(32_000_000)))
    assert error.code is Code.PROVIDER_NO_CREDITS
    assert error.charged is False
    assert barrier.passes == 0


def test_a_server_that_leaves_during_the_barrier_cannot_have_accepted() -> None:
    """The last bytes are still here: there is nothing to be in doubt about."""

    async def journey() -> ProviderError:
        may_leave = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            await may_leave.wait()
            exchange.cut()

        async def barrier() -> None:
            may_leave.set()
            await asyncio.sleep(0.3)

        async with visit(script) as (provider, _):
            with pytest.raises(ProviderError) as caught:
                await provider.send(upload_of(b"small"), ENHANCEMENT, barrier=barrier)
        return caught.value

    error = run(journey())
    assert (error.code, error.charged, error.retryable) == (Code.PROVIDER_DOWN, False, True)


async def _cut_after(exchange: Exchange) -> None:
    await exchange.read()
    exchange.cut()


async def _reset_after(exchange: Exchange) -> None:
    await exchange.read()
    exchange.reset()


async def _silent_after(exchange: Exchange) -> None:
    await exchange.read()
    await asyncio.sleep(5)


async def _dribbling_after(exchange: Exchange) -> None:
    await exchange.read()
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(50):
        exchange.writer.write(b" ")
        await exchange.writer.drain()
        await asyncio.sleep(0.1)


async def _huge_after(exchange: Exchange) -> None:
    await exchange.read()
    await exchange.answer(b" " * 2_000_000)


async def _short_after(exchange: Exchange) -> None:
    await exchange.read()
    await exchange.answer(ACCEPTED, length=500)
    exchange.cut()


async def _garbage_after(exchange: Exchange) -> None:
    await exchange.read()
    exchange.writer.write(b"\x00\x01 not HTTP at all\r\n\r\n")
    exchange.cut()


async def _cut_in_the_tail(exchange: Exchange) -> None:
    await exchange.read(exchange.length - 30)
    exchange.reset()


AFTER = [
    _cut_after,
    _reset_after,
    _silent_after,
    _dribbling_after,
    _huge_after,
    _short_after,
    _garbage_after,
    _cut_in_the_tail,
]


@pytest.mark.parametrize("script", AFTER)
def test_what_breaks_after_the_barrier_is_in_doubt(script: Script) -> None:
    error, barrier = run(failing(script, timeouts={"read": 0.5, "call": 0.8}))
    assert barrier.passes == 1
    assert error.code is Code.SEND_UNKNOWN
    assert error.charged is None
    assert not error.retryable


@pytest.mark.parametrize("script", [_cut_after, _silent_after, _short_after])
def test_where_downloads_are_charged_a_send_is_free_to_repeat(script: Script) -> None:
    error, barrier = run(failing(script, charging="download", timeouts={"read": 0.5, "call": 0.8}))
    assert barrier.passes == 1
    assert error.charged is False
    assert error.retryable


def test_a_success_before_the_last_bytes_is_in_doubt() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.read(1000)
        await exchange.answer(ACCEPTED)
        exchange.writer.write_eof()
        await asyncio.sleep(0.2)
        exchange.reset()

    error, _ = run(failing(script))
    # Whether the answer survives the reset is the kernel's affair.
    assert error.code in (Code.SEND_UNKNOWN, Code.PROVIDER_DOWN)
    assert error.charged is (None if error.code is Code.SEND_UNKNOWN else False)


def test_a_cancelled_send_closes_its_connection_and_the_next_one_works() -> None:
    async def journey() -> None:
        async with visit(saying(ACCEPTED), slots=1) as (provider, vendor):
            has_begun = asyncio.Event()

            async def pieces() -> AsyncIterator[bytes]:
                yield PHOTO[:1000]
                has_begun.set()
                await asyncio.sleep(20)

            upload = Upload(len(PHOTO), "image/jpeg", pieces)
            sending = asyncio.create_task(
                provider.send(upload, ENHANCEMENT, barrier=CountingBarrier())
            )
            await has_begun.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            again = await provider.send(upload_of(PHOTO), ENHANCEMENT, barrier=CountingBarrier())
        assert again == HANDLE
        assert vendor.connections == 2

    run(journey())


def test_an_uploads_generator_is_closed_at_once() -> None:
    async def journey() -> None:
        closed: list[bool] = []

        async def pieces() -> AsyncIterator[bytes]:
            try:
                for start in range(0, len(PHOTO), 10_000):
                    yield PHOTO[start : start + 10_000]
            finally:
                closed.append(True)

        async with visit(_cut) as (provider, _):
            with pytest.raises(ProviderError):
                await provider.send(
                    Upload(len(PHOTO), "image/jpeg", pieces), ENHANCEMENT, barrier=CountingBarrier()
                )
            assert closed == [True]

    run(journey())


def test_connections_are_kept_and_made_anew_when_the_server_drops_them() -> None:
    async def journey() -> None:
        async with visit(saying(ACCEPTED)) as (provider, vendor):
            for _ in range(10):
                await provider.send(upload_of(PHOTO), ENHANCEMENT, barrier=CountingBarrier())
            assert vendor.connections == 1

        async def dropping(exchange: Exchange) -> None:
            await exchange.read()
            await exchange.answer(ACCEPTED)
            exchange.cut()

        async with visit(dropping) as (provider, vendor):
            for _ in range(5):
                await provider.send(upload_of(PHOTO), ENHANCEMENT, barrier=CountingBarrier())
                await asyncio.sleep(0.02)
            assert vendor.connections == 5

    run(journey())


def test_no_more_connections_than_slots() -> None:
    async def journey() -> None:
        async with visit(saying(ACCEPTED), slots=3) as (provider, vendor):
            await asyncio.gather(
                *(
                    provider.send(upload_of(PHOTO), ENHANCEMENT, barrier=CountingBarrier())
                    for _ in range(20)
                )
            )
            assert vendor.connections == 3
            assert len(vendor.exchanges) == 20

    run(journey())


def test_a_large_photo_is_never_whole_in_memory() -> None:
    size, piece = 30_000_000, bytes(64 * 1024)

    async def pieces() -> AsyncIterator[bytes]:
        left = size
        while left:
            part = piece[: min(len(piece), left)]
            left -= len(part)
            yield part

    async def script(exchange: Exchange) -> None:
        left = exchange.length
        while left:
            left -= len(await exchange.reader.read(1 << 16))
        await exchange.answer(ACCEPTED)

    async def journey() -> int:
        async with visit(script) as (provider, _):
            tracemalloc.start()
            try:
                upload = Upload(size, "image/jpeg", pieces)
                await provider.send(upload, ENHANCEMENT, barrier=CountingBarrier())
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert run(journey()) < 4_000_000


def test_many_photos_at_once_take_no_more_memory_than_the_slots() -> None:
    """The last photo waits outside: what counts is slots and pieces, not photos."""
    size, piece, slots = 1_000_000, bytes(64 * 1024), 4

    def upload() -> Upload:
        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, size, len(piece)):
                # A new object each time, as a storage would give.
                yield bytes(bytearray(min(len(piece), size - start)))

        return Upload(size, "image/jpeg", pieces)

    async def script(exchange: Exchange) -> None:
        left = exchange.length
        while left:
            left -= len(await exchange.reader.read(1 << 16))
        await exchange.answer(ACCEPTED)

    async def journey(count: int) -> int:
        async with visit(script, slots=slots) as (provider, _):
            await provider.send(upload(), ENHANCEMENT, barrier=CountingBarrier())
            tracemalloc.start()
            try:
                sends = (
                    provider.send(upload(), ENHANCEMENT, barrier=CountingBarrier())
                    for _ in range(count)
                )
                await asyncio.gather(*sends)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    few, many = run(journey(slots)), run(journey(10 * slots))
    assert many < few + 1_000_000


def test_processing_again_sends_the_handle_and_no_photo() -> None:
    async def journey() -> None:
        barrier = CountingBarrier()
        async with visit(saying({"code": 200, "data": {"mdf": ["a" * 32]}})) as (provider, vendor):
            assert await provider.send_again(HANDLE, ENHANCEMENT, barrier=barrier) == "a" * 32
            parts = parts_of(vendor.exchanges[0])
        assert barrier.passes == 1
        assert parts["mdf"] == HANDLE.encode()
        assert parts["platform"] == b"pc"
        assert "file" not in parts

    run(journey())
