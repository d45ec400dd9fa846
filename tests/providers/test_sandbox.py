"""Both versions against the sandbox, a real Hili-compatible service, with every fault it has.

The sandbox's ledger is the oracle: where an error says that nothing was charged, nothing was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.providers.hili import HiliProvider
from django_hili.providers.hili_v1 import HiliV1Provider
from django_hili.providers.remote import RemoteStage, RemoteState
from django_hili.sandbox.server import Sandbox
from django_hili.testing import Collector, CountingBarrier, sample_photo, upload_of
from django_hili.vocabulary import Background, Enhancement, Operation
from tests.providers.raw import ENHANCEMENT, run

PHOTO = sample_photo()
KINDS = [HiliProvider, HiliV1Provider]
Provider = HiliProvider | HiliV1Provider
T = Any


def visit(
    sandbox: Sandbox, kind: type[Provider], work: Callable[[Provider], Awaitable[T]], **more: Any
) -> T:
    async def journey() -> T:
        provider = kind(
            "hili",
            {
                "third_code": sandbox.third_code,
                "secret_key": sandbox.secret_key,
                "base_url": sandbox.base_url,
                "timeouts": {"read": 2.0},
                **more,
            },
        )
        try:
            return await work(provider)
        finally:
            await provider.aclose()

    return run(journey())


async def send(provider: Provider) -> str:
    return await provider.send(upload_of(PHOTO), ENHANCEMENT, barrier=CountingBarrier())


async def send_and_fetch(provider: Provider) -> bytes:
    handle, sink = await send(provider), Collector()
    await provider.fetch(handle, sink, max_bytes=10**7)
    return bytes(sink.content)


async def outcome(work: Awaitable[Any]) -> ProviderError | Any:
    try:
        return await work
    except ProviderError as error:
        return error


def stage_of(state: RemoteState | ProviderError) -> RemoteStage:
    assert isinstance(state, RemoteState)
    return state.stage


def accepted(sandbox: Sandbox) -> int:
    """Return how many photos the sandbox really took."""
    return sum(entry["event"] == "accepted" for entry in sandbox.control.ledger())


SEND_FAULTS = [
    # fault, figures, the code the sender is told, charged as far as the sender knows
    ("http_error", {"status": 503, "accepted": False}, Code.SEND_UNKNOWN, None),
    ("http_error", {"status": 502, "accepted": True}, Code.SEND_UNKNOWN, None),
    ("rate_limited", {"form": "seconds", "retry_after": 3}, Code.PROVIDER_BUSY, False),
    ("rate_limited", {"form": "date", "retry_after": 3}, Code.PROVIDER_BUSY, False),
    ("rate_limited", {"form": "none"}, Code.PROVIDER_BUSY, False),
    ("lost_answer", {"accepted": True}, Code.SEND_UNKNOWN, None),
    ("lost_answer", {"accepted": False}, Code.SEND_UNKNOWN, None),
    ("lost_answer", {"accepted": True, "reset": True}, Code.SEND_UNKNOWN, None),
    ("cut_short", {"share": 0.5}, Code.SEND_UNKNOWN, None),
    ("broken_json", {}, Code.SEND_UNKNOWN, None),
    ("html", {"status": 200}, Code.SEND_UNKNOWN, None),
    ("slow", {"seconds": 4.0}, Code.SEND_UNKNOWN, None),
    ("errno", {"errno": 7777}, Code.SEND_UNKNOWN, None),
    ("errno", {"errno": 500}, Code.SEND_UNKNOWN, None),
    ("errno", {"errno": 9001}, Code.PROVIDER_REFUSED_OPTIONS, False),
    ("errno", {"errno": 9005}, Code.PROVIDER_REFUSED_FILE, False),
    ("errno", {"errno": 9006}, Code.PROVIDER_UPLOAD_FAILED, False),
    ("errno", {"errno": 9009}, Code.PROVIDER_DAMAGED_PHOTO, False),
    ("errno", {"errno": 9999}, Code.PROVIDER_BAD_CREDENTIALS, False),
    ("no_credits", {}, Code.PROVIDER_NO_CREDITS, False),
    ("without_field", {"field": "data"}, Code.SEND_UNKNOWN, None),
    ("without_field", {"field": "mdf"}, Code.SEND_UNKNOWN, None),
    ("without_field", {"field": "code"}, Code.SEND_UNKNOWN, None),
    ("wrong_clock", {"seconds": 300.0, "tell": True}, Code.PROVIDER_CLOCK_LEARNED, False),
    ("wrong_clock", {"seconds": 300.0, "tell": False}, Code.PROVIDER_BAD_CREDENTIALS, False),
]


@pytest.mark.parametrize(("fault", "figures", "code", "charged"), SEND_FAULTS)
@pytest.mark.parametrize("kind", KINDS)
def test_sends(
    sandbox: Sandbox,
    kind: type[Provider],
    fault: str,
    figures: dict[str, Any],
    code: Code,
    charged: bool | None,
) -> None:
    sandbox.control.fault(fault, "uploads", **figures)
    error = visit(sandbox, kind, lambda provider: outcome(send(provider)))
    assert isinstance(error, ProviderError)
    assert (error.code, error.charged) == (code, charged)
    if charged is False:
        assert accepted(sandbox) == 0
    if code is Code.PROVIDER_BUSY and figures["form"] != "none":
        assert error.retry_after is not None
        assert 1 <= error.retry_after <= 3
    else:
        assert error.retry_after in (None, 0.0)


@pytest.mark.parametrize("count", [-1, 1])
def test_a_wrong_number_of_ids_is_in_doubt(sandbox: Sandbox, count: int) -> None:
    sandbox.control.fault("wrong_ids", "uploads", count=count)
    error = visit(sandbox, HiliProvider, lambda provider: outcome(send(provider)))
    assert error.code is Code.SEND_UNKNOWN
    assert accepted(sandbox) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_may_come_as_text(sandbox: Sandbox, kind: type[Provider]) -> None:
    sandbox.control.fault("numbers_as_text")

    async def work(provider: Provider) -> None:
        handle = await send(provider)
        state = (await provider.states([handle]))[handle]
        assert isinstance(state, RemoteState)
        assert state.stage is RemoteStage.DONE
        assert await provider.credits() > 0

    visit(sandbox, kind, work)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clock_that_is_off_is_learned_once(sandbox: Sandbox, kind: type[Provider]) -> None:
    sandbox.control.fault("wrong_clock", seconds=-900.0)

    async def work(provider: Provider) -> bytes:
        await provider.credits()
        return await send_and_fetch(provider)

    assert visit(sandbox, kind, work) == PHOTO


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_secret(sandbox: Sandbox, kind: type[Provider]) -> None:
    error = visit(sandbox, kind, lambda p: outcome(send(p)), secret_key="wrong")
    assert error.code is Code.PROVIDER_BAD_CREDENTIALS
    assert accepted(sandbox) == 0


QUESTION_FAULTS = [
    ("http_error", {"status": 503}, Code.PROVIDER_DOWN),
    ("rate_limited", {}, Code.PROVIDER_BUSY),
    ("lost_answer", {}, Code.PROVIDER_DOWN),
    ("lost_answer", {"reset": True}, Code.PROVIDER_DOWN),
    ("cut_short", {}, Code.PROVIDER_DOWN),
    ("slow", {"seconds": 4.0}, Code.PROVIDER_DOWN),
    ("broken_json", {}, Code.PROVIDER_ANSWER_UNREADABLE),
    ("html", {}, Code.PROVIDER_ANSWER_UNREADABLE),
    ("errno", {"errno": 7777}, Code.PROVIDER_ANSWER_UNREADABLE),
    ("errno", {"errno": 500}, Code.PROVIDER_DOWN),
    ("without_field", {}, Code.PROVIDER_ANSWER_UNREADABLE),
]


@pytest.mark.parametrize(("fault", "figures", "code"), QUESTION_FAULTS)
@pytest.mark.parametrize("kind", KINDS)
def test_questions(
    sandbox: Sandbox, kind: type[Provider], fault: str, figures: dict[str, Any], code: Code
) -> None:
    async def work(provider: Provider) -> None:
        handle = await send(provider)
        for endpoint, ask in (
            ("nums", provider.credits),
            ("download", lambda: provider.fetch(handle, Collector(), max_bytes=10**7)),
            ("status", lambda: provider.states([handle])),
        ):
            rule = await asyncio.to_thread(sandbox.control.fault, fault, endpoint, **figures)
            found = await outcome(ask())
            if isinstance(found, dict):
                found = found[handle]
            assert isinstance(found, ProviderError), endpoint
            assert (endpoint, found.code, found.retryable) == (endpoint, code, True)
            assert found.charged is False
            await asyncio.to_thread(sandbox.control.clear_faults, rule)
        assert await send_and_fetch(provider) == PHOTO

    visit(sandbox, kind, work)


def test_states_of_a_photo_under_way(sandbox: Sandbox) -> None:
    sandbox.control.processing(0.6)

    async def work(provider: Provider) -> list[RemoteState]:
        handle = await send(provider)
        seen: list[RemoteState] = []
        while not seen or seen[-1].stage is not RemoteStage.DONE:
            state = (await provider.states([handle]))[handle]
            assert isinstance(state, RemoteState)
            if not seen or seen[-1] != state:
                seen.append(state)
            await asyncio.sleep(0.02)
        return seen

    seen = visit(sandbox, HiliProvider, work)
    assert [state.stage for state in seen][-1] is RemoteStage.DONE
    assert [state.operation for state in seen if state.operation] == ["repair", "sr"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_photo_that_fails(sandbox: Sandbox, kind: type[Provider]) -> None:
    sandbox.control.fault("fails", "uploads", reason="模型处理异常")

    async def work(provider: Provider) -> RemoteState | ProviderError:
        handle = await send(provider)
        return (await provider.states([handle]))[handle]

    state = visit(sandbox, kind, work)
    assert isinstance(state, RemoteState)
    assert state.stage is RemoteStage.FAILED
    assert "模型处理异常" in state.vendor_words


def test_an_older_server_leaves_code_and_task_out(sandbox: Sandbox) -> None:
    sandbox.control.fault("older_server", "status")

    async def work(provider: Provider) -> list[RemoteState | ProviderError]:
        handles = [await send(provider) for _ in range(3)]
        return list((await provider.states(handles)).values())

    states = visit(sandbox, HiliProvider, work)
    assert {state.stage for state in states} == {RemoteStage.DONE}


def test_an_unknown_state_of_an_older_server(sandbox: Sandbox) -> None:
    sandbox.control.fault("unknown_state", "status", state="任务状态异常", code=7)

    async def work(provider: Provider) -> RemoteState | ProviderError:
        handle = await send(provider)
        return (await provider.states([handle]))[handle]

    error = visit(sandbox, HiliProvider, work)
    assert isinstance(error, ProviderError)
    assert error.code is Code.PROVIDER_ANSWER_UNREADABLE
    assert "任务状态异常" in error.vendor_words


def test_one_expired_photo_among_many(sandbox: Sandbox) -> None:
    async def work(provider: Provider) -> dict[str, Any]:
        old = await send(provider)
        await asyncio.to_thread(sandbox.control.travel, 3700)
        new = [await send(provider) for _ in range(8)]
        found = dict(await provider.states([*new[:4], old, *new[4:]]))
        stages = {stage_of(found[handle]) for handle in new}
        error = await outcome(provider.fetch(old, Collector(), max_bytes=10**7))
        return {"old": stage_of(found[old]), "new": stages, "fetch": error.code}

    assert visit(sandbox, HiliProvider, work) == {
        "old": RemoteStage.GONE,
        "new": {RemoteStage.DONE},
        "fetch": Code.PROVIDER_COPY_GONE,
    }


FILE_FAULTS = [
    ("http_error", {"status": 503}, Code.PROVIDER_DOWN),
    ("rate_limited", {}, Code.PROVIDER_BUSY),
    ("lost_answer", {}, Code.PROVIDER_DOWN),
    ("cut_short", {}, Code.PROVIDER_DOWN),
    ("slow", {"seconds": 4.0}, Code.PROVIDER_DOWN),
    ("expired", {}, Code.PROVIDER_COPY_GONE),
    ("wrong_file", {"what": "html"}, Code.RESULT_INVALID),
    ("wrong_file", {"what": "empty"}, Code.RESULT_INVALID),
    ("wrong_file", {"what": "long_length"}, Code.PROVIDER_DOWN),
    ("redirect", {"hops": 3}, Code.RESULT_ADDRESS_REFUSED),
    ("redirect", {"to": "http://169.254.169.254/latest/meta-data/"}, Code.RESULT_ADDRESS_REFUSED),
    ("redirect", {"to": "file:///etc/passwd"}, Code.RESULT_ADDRESS_REFUSED),
]


@pytest.mark.parametrize(("fault", "figures", "code"), FILE_FAULTS)
@pytest.mark.parametrize("kind", KINDS)
def test_files(
    sandbox: Sandbox, kind: type[Provider], fault: str, figures: dict[str, Any], code: Code
) -> None:
    sandbox.control.fault(fault, "file", **figures)
    error = visit(sandbox, kind, lambda provider: outcome(send_and_fetch(provider)))
    assert isinstance(error, ProviderError)
    assert error.code is code


@pytest.mark.parametrize("hops", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_redirects(sandbox: Sandbox, kind: type[Provider], hops: int) -> None:
    sandbox.control.fault("redirect", "file", hops=hops)
    assert visit(sandbox, kind, send_and_fetch) == PHOTO


@pytest.mark.parametrize("kind", KINDS)
def test_a_foreign_result_address(sandbox: Sandbox, kind: type[Provider]) -> None:
    sandbox.control.fault("result_url", "download")
    error = visit(sandbox, kind, lambda provider: outcome(send_and_fetch(provider)))
    assert error.code is Code.RESULT_ADDRESS_REFUSED


def test_every_operation_and_option_is_taken(sandbox: Sandbox) -> None:
    async def work(provider: Provider) -> None:
        for name in provider.capabilities.backgrounds:
            for image_type in provider.capabilities.image_types:
                asked = Enhancement(
                    tuple(Operation), image_type, scale=8, background=Background(name)
                )
                await provider.send(upload_of(PHOTO), asked, barrier=CountingBarrier())

    visit(sandbox, HiliProvider, work)
    assert accepted(sandbox) == 25


def test_a_paused_service_is_down_and_then_goes_on(sandbox: Sandbox) -> None:
    async def work(provider: Provider) -> bytes:
        handle = await send(provider)
        sandbox.pause()
        try:
            error = await outcome(provider.states([handle]))
        finally:
            sandbox.resume()
        assert error.code is Code.PROVIDER_DOWN
        sink = Collector()
        await provider.fetch(handle, sink, max_bytes=10**7)
        return bytes(sink.content)

    assert visit(sandbox, HiliProvider, work, timeouts={"read": 0.5}) == PHOTO
