"""Secrets, tokens and addresses stay in memory: no log, message, `repr` or traceback has them."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator

import httpx
import pytest

from django_hili.exceptions import ProviderError
from django_hili.providers.hili_setup import Reader
from django_hili.testing import Collector, CountingBarrier, sample_photo, upload_of
from tests.providers.raw import (
    ACCEPTED,
    ENHANCEMENT,
    HANDLE,
    SECRET,
    THIRD_CODE,
    Exchange,
    Script,
    run,
    saying,
    visit,
)

ADDRESS_CANARY = "canary-address-of-a-photo"


def tellers(vendor_port: int, tokens: list[str]) -> Iterator[str]:
    """What must not be found anywhere."""
    yield from (SECRET, THIRD_CODE, ADDRESS_CANARY, HANDLE, f"127.0.0.1:{vendor_port}")
    yield from tokens
    yield from (token.partition(",")[0] for token in tokens)


async def _nasty(exchange: Exchange) -> None:
    """A server that repeats what it was told, and adds addresses."""
    await exchange.read()
    told = f"{exchange.headers.get('token', '')} http://{exchange.headers['host']}/{ADDRESS_CANARY}"
    await exchange.answer({"code": 9000, "errno": 9005, "msg": f"{told} {HANDLE}"})


async def _cutting(exchange: Exchange) -> None:
    await exchange.read()
    exchange.cut()


async def _naming(exchange: Exchange) -> None:
    """Names a good address for the result, and breaks it."""
    await exchange.read()
    if exchange.method == "POST":
        url = f"http://{exchange.headers['host']}/{ADDRESS_CANARY}/{HANDLE}.jpg"
        await exchange.answer({"code": 200, "data": {"url": url}})
    else:
        await exchange.answer(b"", status=302, headers={"Location": f"ftp://x/{ADDRESS_CANARY}"})


async def _refused_address(exchange: Exchange) -> None:
    await exchange.read()
    url = f"https://user:{ADDRESS_CANARY}@10.0.0.1/{HANDLE}.jpg"
    await exchange.answer({"code": 200, "data": {"url": url}})


async def _redirecting(exchange: Exchange) -> None:
    await exchange.read()
    headers = {"Location": f"http://{exchange.headers['host']}/{ADDRESS_CANARY}"}
    await exchange.answer(b"", status=301, headers=headers)


SCRIPTS = [
    _nasty, _cutting, _naming, _refused_address, _redirecting, saying(ACCEPTED), saying(b"<html>")
]  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.clause("HILI-API-2", "HILI-API-5", "HILI-API-9", "HILI-FR-2")
def test_nothing_tells(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11"):
        caplog.set_level(logging.DEBUG, name)
    said: list[str] = []

    async def journey() -> tuple[int, list[str]]:
        async with visit(script) as (provider, vendor):
            for work in (
                lambda: provider.send(
                    upload_of(sample_photo()), ENHANCEMENT, barrier=CountingBarrier()
                ),
                lambda: provider.send_again(HANDLE, ENHANCEMENT, barrier=CountingBarrier()),
                lambda: provider.states([HANDLE]),
                lambda: provider.fetch(HANDLE, Collector(), max_bytes=10**6),
                provider.credits,
            ):
                try:
                    outcome = await work()
                    if isinstance(outcome, dict):
                        said.extend(map(repr, outcome.values()))
                except ProviderError as error:
                    said.extend(_everything_about(error))
            said.append(repr(provider))
            said.append(repr(provider._setup))
            return vendor.port, [
                e.headers["token"] for e in vendor.exchanges if "token" in e.headers
            ]

    port, tokens = run(journey())
    assert tokens
    # The event loop's own debug lines name no more than a machine.
    records = [record for record in caplog.records if record.name != "asyncio"]
    said.extend(f"{record.getMessage()} {record.args!r}" for record in records)
    text = "\n".join(said)
    found = [word for word in tellers(port, tokens) if word in text]
    assert found == []
    assert not re.search(r"[a-z]+://", text)


def _everything_about(error: BaseException) -> Iterator[str]:
    """What a log, an error page or an error tracker could show of an error."""
    seen: BaseException | None = error
    while seen is not None:
        yield from (str(seen), repr(seen), repr(seen.args))
        yield repr({k: v for k, v in vars(seen).items() if not k.startswith("_")})
        yield "".join(traceback.format_exception_only(seen))
        # A tracker follows the context even where it is suppressed.
        seen = seen.__cause__ or seen.__context__


def test_no_error_of_httpx_hangs_behind_ours() -> None:
    async def journey() -> ProviderError:
        async with visit(_cutting) as (provider, _):
            with pytest.raises(ProviderError) as caught:
                await provider.credits()
            return caught.value

    error = run(journey())
    assert error.__cause__ is None
    assert error.__context__ is None


def test_the_sites_own_use_of_httpx_is_logged_as_before(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "httpx")

    async def journey() -> None:
        async with visit(saying({"code": 200, "data": {"nums": 1}})) as (provider, vendor):
            await provider.credits()
            assert caplog.records == []
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.post(vendor.base_url + "/of-the-site", content=b"")

    run(journey())
    assert any("/of-the-site" in record.getMessage() for record in caplog.records)


@pytest.mark.clause("HILI-API-2")
def test_options_are_read_into_a_value_that_does_not_show_them() -> None:
    setup = Reader({"third_code": THIRD_CODE, "secret_key": SECRET}).read()
    assert SECRET not in repr(setup)
    assert THIRD_CODE not in repr(setup)
    assert "sdkphoto" not in repr(setup).replace("results=", "").partition("platform")[2]
