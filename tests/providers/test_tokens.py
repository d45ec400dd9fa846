"""The vendor's token, and the clock that learns."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.providers.hili_tokens import Clock, make_token
from django_hili.testing import CountingBarrier, sample_photo, upload_of
from tests.providers.raw import ACCEPTED, ENHANCEMENT, HANDLE, SECRET, Exchange, run, visit

AHEAD = 300
REFUSED = {"code": 9000, "errno": 9999, "msg": "请求参数token不合法"}
CREDITS = {"code": 200, "data": {"code": "x", "nums": 98}}


def test_the_vendors_own_vector() -> None:
    token = make_token(secret_key="hiliad", time="1629962357")
    assert token == "5484490c8e797dabe52af90ab8bd1e50,1629962357"


def test_a_clock_learns_once_per_difference() -> None:
    clock = Clock(now=lambda: 1000.0)
    assert clock.learn(1300.0, offset_used=0.0)
    assert clock.offset == 300.0
    assert clock.token("x").endswith(",1300")
    # The learned time was refused as well: there is nothing left to learn.
    assert not clock.learn(1300.0, offset_used=300.0)
    # Another request that was refused with the old time may go again.
    assert clock.learn(1301.0, offset_used=0.0)


@pytest.mark.parametrize("server_now", [None, 1000.0, 1029.0, 971.0, 1000.0 + 2 * 86_400])
def test_a_clock_does_not_learn(server_now: float | None) -> None:
    clock = Clock(now=lambda: 1000.0)
    assert not clock.learn(server_now, offset_used=0.0)
    assert clock.offset == 0.0


async def _strict(exchange: Exchange) -> None:
    """A server whose clock is five minutes ahead, and which says so."""
    await exchange.read()
    now = time.time() + AHEAD
    _, _, told = exchange.headers["token"].partition(",")
    genuine = make_token(secret_key=SECRET, time=told) == exchange.headers["token"]
    is_good = genuine and abs(int(told) - now) < 120
    success = ACCEPTED if exchange.path.endswith("uploads") else CREDITS
    headers = {"Date": formatdate(now, usegmt=True)}
    await exchange.answer(success if is_good else REFUSED, headers=headers)


def test_a_small_call_is_made_again_with_the_learned_time() -> None:
    async def journey() -> None:
        async with visit(_strict) as (provider, vendor):
            assert provider.clock_difference_seconds is None
            assert await provider.credits() == 98
            assert len(vendor.exchanges) == 2
            assert provider.clock_difference_seconds is not None
            assert abs(provider.clock_difference_seconds - AHEAD) < 5
            assert await provider.credits() == 98
            assert len(vendor.exchanges) == 3

    run(journey())


def test_a_send_is_left_to_a_new_attempt() -> None:
    """A second body in the same attempt would pass the barrier twice."""

    async def journey() -> None:
        photo = upload_of(sample_photo())
        async with visit(_strict) as (provider, _):
            barrier = CountingBarrier()
            with pytest.raises(ProviderError) as caught:
                await provider.send(photo, ENHANCEMENT, barrier=barrier)
            assert caught.value.code is Code.PROVIDER_CLOCK_LEARNED
            assert caught.value.retryable
            assert caught.value.charged is False
            assert caught.value.retry_after == 0.0
            assert barrier.passes == 1
            assert await provider.send(photo, ENHANCEMENT, barrier=CountingBarrier()) == HANDLE

    run(journey())


def test_a_wrong_secret_is_bad_credentials_after_one_more_try() -> None:
    async def journey() -> None:
        async with visit(_strict, secret_key="wrong") as (provider, vendor):
            for _ in range(2):
                with pytest.raises(ProviderError) as caught:
                    await provider.credits()
                assert caught.value.code is Code.PROVIDER_BAD_CREDENTIALS
                assert caught.value.charged is False
            assert len(vendor.exchanges) == 3

    run(journey())


@pytest.mark.clause("HILI-API-9")
def test_a_secret_can_be_a_function_and_is_asked_every_time() -> None:
    async def journey() -> None:
        asked: list[str] = []

        def secret() -> str:
            asked.append("x")
            return SECRET

        async with visit(_strict, secret_key=secret) as (provider, _):
            assert asked == []
            await provider.credits()
        assert len(asked) == 2

    run(journey())
