"""Many sends through a server that breaks at random, with the server's own books as the oracle.

A seed is printed with a failure; the same seed breaks in the same way.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from django_hili.codes import Code
from django_hili.exceptions import LostLeaseError, ProviderError
from django_hili.testing import CountingBarrier, upload_of
from tests.providers.raw import ENHANCEMENT, Exchange, run, visit

SENDS = 150
PHOTO = random.Random(5).randbytes(60_000)
FAULTS = ("none", "none", "cut", "reset", "cut_late", "lost", "5xx", "html", "refuse", "early")


class Books:
    """A server that accepts a photo if, and only if, every byte of the request has arrived."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.accepted: set[str] = set()
        self.arrivals = 0

    async def __call__(self, exchange: Exchange) -> None:
        fault = self.dice.choice(FAULTS)
        if fault in ("cut", "reset", "early"):
            await exchange.read(self.dice.randrange(1, exchange.length))
            if fault == "early":
                await exchange.answer({"code": 9000, "errno": 9101, "msg": "x"})
            exchange.reset() if fault == "reset" else exchange.cut()
            return
        if fault == "cut_late":
            await exchange.read(exchange.length - self.dice.randrange(1, 200))
            exchange.cut()
            return
        if len(await exchange.read()) < exchange.length:
            return
        if fault == "refuse":
            await exchange.answer({"code": 9000, "errno": 9009, "msg": "x"})
            return
        self.arrivals += 1
        mdf = f"{self.arrivals:032x}"
        self.accepted.add(mdf)
        if fault == "lost":
            exchange.reset()
        elif fault == "5xx":
            await exchange.answer(b"<html>", status=502)
        elif fault == "html":
            await exchange.answer(b"<html>")
        else:
            await exchange.answer({"code": 200, "data": {"mdf": [mdf]}})


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_said_of_the_credit_is_true(seed: int) -> None:
    async def journey() -> None:
        books, dice = Books(seed), random.Random(seed + 1000)
        told: Counter[str] = Counter()
        handles: set[str] = set()
        async with visit(books, slots=6, timeouts={"read": 5, "write": 5}) as (provider, _):

            async def one() -> None:
                lost = LostLeaseError() if dice.random() < 0.25 else None
                barrier = CountingBarrier(lost)
                try:
                    handles.add(await provider.send(upload_of(PHOTO), ENHANCEMENT, barrier=barrier))
                except LostLeaseError:
                    told["lost"] += 1
                    return
                except ProviderError as error:
                    failure = error
                else:
                    assert barrier.passes == 1
                    return
                is_doubt = failure.code is Code.SEND_UNKNOWN
                assert is_doubt == (failure.charged is None)
                assert barrier.passes == 1 or not is_doubt
                told["doubt" if is_doubt else "free"] += 1

            await asyncio.gather(*(one() for _ in range(SENDS)))
        told["done"] = len(handles)
        assert sum(told.values()) == SENDS
        # Everything that was accepted is either known by its handle or held as a doubt.
        assert handles <= books.accepted
        assert len(books.accepted - handles) <= told["doubt"]
        assert min(told[kind] for kind in ("done", "doubt", "free", "lost")) > 0

    run(journey())
