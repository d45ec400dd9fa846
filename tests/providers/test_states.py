"""Asking about many photos at once: one bad id must not spoil the batch, nor cost a storm."""

from __future__ import annotations

import email.parser
import email.policy
from collections.abc import Callable

import pytest

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.providers.hili_v1 import HiliV1Provider
from django_hili.providers.remote import RemoteStage, RemoteState
from tests.providers.raw import Exchange, RawVendor, Script, options, run, visit

HUNDRED = [f"{number:032x}" for number in range(1, 101)]
GONE = {"code": 9000, "errno": 9002, "msg": "图片不存在"}


def asked(exchange: Exchange) -> list[str]:
    """Return the handles that a status call asks about."""
    head = f"Content-Type: {exchange.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        head + bytes(exchange.received)
    )
    return [
        str(part.get_content()).strip()
        for part in message.iter_parts()
        if part.get_param("name", header="content-disposition") == "mdf"
    ]


def answering(answer: Callable[[list[str]], object]) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.read()
        said = answer(asked(exchange))
        if isinstance(said, int):
            await exchange.answer(b"<html>", status=said)
        else:
            await exchange.answer(said)

    return script


def said_of(handles: list[str], code: int = 1) -> dict[str, object]:
    entries = [{"mdf": handle, "state": "x", "code": code} for handle in handles]
    return {"code": 200, "data": {"status": 200, "mdfs": entries}}


def strict(bad: set[str]) -> Callable[[list[str]], object]:
    """A server that refuses the whole batch for one bad id."""
    return lambda handles: GONE if bad & set(handles) else said_of(handles)


async def states_of(
    answer: Callable[[list[str]], object], handles: list[str]
) -> tuple[dict[str, RemoteState | ProviderError], int, int]:
    async with visit(answering(answer)) as (provider, vendor):
        found = dict(await provider.states(handles))
        return found, len(vendor.exchanges), provider.handles_per_call


def stages(found: dict[str, RemoteState | ProviderError]) -> dict[str, RemoteStage | Code]:
    return {
        handle: state.code if isinstance(state, ProviderError) else state.stage
        for handle, state in found.items()
    }


def test_a_hundred_photos_are_one_call() -> None:
    found, calls, _ = run(states_of(said_of, HUNDRED))
    assert stages(found) == dict.fromkeys(HUNDRED, RemoteStage.DONE)
    assert calls == 1


def test_more_than_a_hundred_are_refused() -> None:
    with pytest.raises(ValueError, match="100"):
        run(states_of(said_of, [*HUNDRED, "x"]))


@pytest.mark.parametrize("bad", [HUNDRED[0], HUNDRED[49], HUNDRED[99]])
def test_one_bad_id_is_found_in_few_calls(bad: str) -> None:
    found, calls, per_call = run(states_of(strict({bad}), HUNDRED))
    expected = {**dict.fromkeys(HUNDRED, RemoteStage.DONE), bad: RemoteStage.GONE}
    assert stages(found) == expected
    assert calls <= 16
    assert per_call == 100


def test_all_bad_ids_are_answered_for() -> None:
    found, _, _ = run(states_of(strict(set(HUNDRED)), HUNDRED))
    assert stages(found) == dict.fromkeys(HUNDRED, RemoteStage.GONE)


def test_ids_left_out_are_asked_about_again() -> None:
    missing = set(HUNDRED[3:5])

    def answer(handles: list[str]) -> object:
        return said_of([h for h in handles if len(handles) == 1 or h not in missing])

    found, calls, per_call = run(states_of(answer, HUNDRED))
    assert stages(found) == dict.fromkeys(HUNDRED, RemoteStage.DONE)
    assert calls == 3
    assert per_call == 100


def test_an_id_that_is_never_spoken_of_is_unreadable() -> None:
    found, _, _ = run(states_of(lambda _: said_of([]), HUNDRED[:3]))
    assert stages(found) == dict.fromkeys(HUNDRED[:3], Code.PROVIDER_ANSWER_UNREADABLE)


@pytest.mark.parametrize(
    "answer",
    [
        lambda handles: said_of(handles[-1:]),  # reads one field of the name
        lambda handles: (
            said_of(handles) if len(handles) == 1 else {"code": 9000, "errno": 9001, "msg": "x"}
        ),
    ],
)
def test_a_server_without_batches_is_asked_one_by_one_from_then_on(
    answer: Callable[[list[str]], object],
) -> None:
    """The documents know one id a call; batches are the live service's."""

    async def journey() -> None:
        async with visit(answering(answer)) as (provider, vendor):
            for _ in range(2):
                found = dict(await provider.states(HUNDRED[:10]))
                assert stages(found) == dict.fromkeys(HUNDRED[:10], RemoteStage.DONE)
            assert provider.handles_per_call == 1
            assert len(vendor.exchanges) <= 1 + 10 + 10

    run(journey())


def test_an_outage_is_one_error_and_no_storm() -> None:
    async def journey() -> None:
        async with visit(answering(lambda _: 503)) as (provider, vendor):
            for handles in (HUNDRED, HUNDRED[:1]):
                with pytest.raises(ProviderError) as caught:
                    await provider.states(handles)
                assert caught.value.code is Code.PROVIDER_DOWN
                assert caught.value.charged is False
            assert len(vendor.exchanges) == 2

    run(journey())


def test_an_outage_half_way_keeps_what_was_learned() -> None:
    calls: list[int] = []

    def answer(handles: list[str]) -> object:
        calls.append(len(handles))
        return said_of(handles[:40]) if len(calls) == 1 else 503

    found, count, _ = run(states_of(answer, HUNDRED))
    learned = stages(found)
    assert [learned[handle] for handle in HUNDRED[:40]] == [RemoteStage.DONE] * 40
    assert [learned[handle] for handle in HUNDRED[40:]] == [Code.PROVIDER_DOWN] * 60
    assert count <= 5


def test_version_1_asks_one_by_one_and_gives_up_on_an_outage() -> None:
    async def journey() -> None:
        def answer(handles: list[str]) -> object:
            if handles == [HUNDRED[0]]:
                return GONE
            return {"code": 200, "data": {"msg": "图片处理中", "status": "100"}}

        async with RawVendor(answering(answer)) as vendor:
            provider = HiliV1Provider("v1", options(vendor))
            found = dict(await provider.states(HUNDRED[:3]))
            await provider.aclose()
        assert list(stages(found).values()) == [RemoteStage.GONE] + [RemoteStage.PROCESSING] * 2

        async with RawVendor(answering(lambda _: 502)) as vendor:
            provider = HiliV1Provider("v1", options(vendor))
            with pytest.raises(ProviderError):
                await provider.states(HUNDRED)
            await provider.aclose()
            assert len(vendor.exchanges) <= 4

    run(journey())
