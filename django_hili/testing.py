"""What a provider must keep, as test cases to inherit from. For sites and third-party providers.

Owns the contract suites. Knows no vendor and needs no pytest: the cases are `unittest`'s, and
pytest runs them as well. Import the module, not the classes, so that no loader takes the suites
themselves for tests:

    from django_hili import testing

    class MyProviderKeepsTheContract(testing.RemoteProviderContract):
        def make_provider(self): return MyProvider("mine", {...})
"""

# unittest's own assertions: sites need no pytest, and `python -O` cannot switch them off.
# ruff: noqa: PT009, PT027, FBT003

from __future__ import annotations

import asyncio
import io
import unittest
from collections.abc import AsyncIterator
from typing import Any

from PIL import Image

from django_hili.codes import Code
from django_hili.exceptions import InvalidOptionsError, ProviderError, StorageError
from django_hili.providers.base import DirectProvider, Photo, Provider
from django_hili.providers.remote import (
    Charging,
    RemoteProvider,
    RemoteStage,
    RemoteState,
    Upload,
)
from django_hili.vocabulary import Enhancement, Operation

PIECE_BYTES = 16 * 1024


def sample_photo(width: int = 320, height: int = 240) -> bytes:
    """Return a JPEG of noise: many pieces, and no two parts alike."""
    file = io.BytesIO()
    Image.effect_noise((width, height), 64).convert("RGB").save(file, "JPEG", quality=95)
    return file.getvalue()


def upload_of(content: bytes, *, content_type: str = "image/jpeg") -> Upload:
    """Return an upload that streams `content` in small pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), PIECE_BYTES):
            yield content[start : start + PIECE_BYTES]

    return Upload(len(content), content_type, pieces)


class TrippedError(Exception):
    """Raised by the suites' own barriers, sinks and uploads, to see it come out unchanged."""


class CountingBarrier:
    """A barrier that remembers how often it was awaited, and may refuse."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.passes = 0

    async def __call__(self) -> None:
        """Let the send through, or raise."""
        self.passes += 1
        if self.error is not None:
            raise self.error


class Collector:
    """A sink that keeps what arrives, and may break after the first piece."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.content = bytearray()

    async def __call__(self, piece: bytes) -> None:
        """Take one piece, or raise."""
        self.content += piece
        if self.error is not None:
            raise self.error


class ProviderContract(unittest.IsolatedAsyncioTestCase):
    """What every provider keeps. Override `make_provider`."""

    __test__ = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Have pytest collect what is made of a suite, not the suites."""
        super().__init_subclass__(**kwargs)
        if "__test__" not in vars(cls):
            cls.__test__ = cls.__module__ != __name__

    def setUp(self) -> None:
        """Skip where a loader took a suite itself for a test."""
        if type(self).__module__ == __name__:
            self.skipTest("inherit from this suite")

    def make_provider(self) -> Provider:
        """Return a new provider whose set-up is complete."""
        raise NotImplementedError

    def enhancement(self) -> Enhancement:
        """Return something the provider can do."""
        capabilities = self.make_provider().capabilities
        if Operation.SR in capabilities.offered:
            return Enhancement((Operation.SR,), scale=min(capabilities.scales))
        return Enhancement((capabilities.offered[0],))

    def impossible(self) -> Enhancement:
        """Return something the provider cannot do."""
        return Enhancement((Operation.SR,), scale=3)

    def test_something_is_offered(self) -> None:
        """A provider that offers nothing is no provider."""
        self.assertTrue(self.make_provider().capabilities.offered)

    def test_a_complete_setup_has_no_problems(self) -> None:
        """`problems` is for what is wrong, and works without a loop or a network."""
        self.assertEqual(tuple(self.make_provider().problems()), ())

    def test_what_leaves_the_server_says_where_to(self) -> None:
        """People are told where their photo goes and for how long."""
        capabilities = self.make_provider().capabilities
        if capabilities.leaves_server:
            self.assertRegex(capabilities.region, r"^[A-Z]{2}$")
        kept = capabilities.copy_kept_seconds
        self.assertTrue(kept is None or kept >= 0)

    def test_it_does_what_it_declares(self) -> None:
        """The suite's own two examples fit the capabilities."""
        capabilities = self.make_provider().capabilities
        self.assertEqual(self.enhancement().problems(capabilities), ())
        self.assertNotEqual(self.impossible().problems(capabilities), ())

    def test_repr_shows_no_option(self) -> None:
        """Options hold secrets, and a `repr` ends up in logs."""
        provider = self.make_provider()
        for value in provider.options.values():
            text = str(value() if callable(value) else value)
            self.assertFalse(len(text) > 3 and text in repr(provider))  # noqa: PLR2004 - "pc", "8"

    async def test_closing_twice_is_harmless(self) -> None:
        """A worker that stops may close what is closed."""
        provider = self.make_provider()
        await provider.aclose()
        await provider.aclose()


class DirectProviderContract(ProviderContract):
    """What a provider keeps that answers with the finished photo."""

    def make_provider(self) -> DirectProvider:
        """Return a new provider whose set-up is complete."""
        raise NotImplementedError

    async def asyncSetUp(self) -> None:
        """Start with a new provider."""
        self.provider = self.make_provider()
        self.addAsyncCleanup(self.provider.aclose)
        self.reports: list[tuple[str, float]] = []

    async def test_a_photo_comes_back(self) -> None:
        """The size it declares is the size it has."""
        photo = Photo(sample_photo(), "image/jpeg")
        result = await self.provider.enhance(photo, self.enhancement(), self._report)
        with Image.open(io.BytesIO(result.content)) as image:
            image.load()
            self.assertEqual(image.size, (result.width, result.height))
            self.assertEqual(result.content_type, Image.MIME[image.format or ""])

    async def test_progress_runs_from_nought_to_one(self) -> None:
        """Fractions that leave the scale break every progress bar."""
        photo = Photo(sample_photo(), "image/jpeg")
        await self.provider.enhance(photo, self.enhancement(), self._report)
        self.assertTrue(all(stage and 0 <= fraction <= 1 for stage, fraction in self.reports))

    async def test_what_is_no_photo_is_refused_for_good(self) -> None:
        """Trying again would not make a photo of it."""
        with self.assertRaises(ProviderError) as caught:
            await self.provider.enhance(
                Photo(b"no photo at all", "image/jpeg"), self.enhancement(), self._report
            )
        self.assertFalse(caught.exception.retryable)

    async def test_it_works_on_after_a_refusal(self) -> None:
        """One bad photo must not spoil the next."""
        with self.assertRaises(ProviderError):
            await self.provider.enhance(
                Photo(b"no photo at all", "image/jpeg"), self.enhancement(), self._report
            )
        photo = Photo(sample_photo(), "image/jpeg")
        result = await self.provider.enhance(photo, self.enhancement(), self._report)
        self.assertTrue(result.content)

    def _report(self, stage: str, fraction: float) -> None:
        self.reports.append((stage, fraction))


class RemoteProviderContract(ProviderContract):
    """What a provider keeps that takes a photo away and finishes it later.

    `make_provider` must reach a real service, or a test double of one, with some credits on it
    that nobody else spends. A test case sends five photos at most.
    """

    patience_seconds = 30.0
    unknown_handle = "0" * 32

    def make_provider(self) -> RemoteProvider:
        """Return a new provider whose set-up is complete."""
        raise NotImplementedError

    async def asyncSetUp(self) -> None:
        """Start with a new provider."""
        self.provider = self.make_provider()
        self.addAsyncCleanup(self.provider.aclose)
        self.photo = sample_photo()

    async def test_a_photo_goes_and_comes_back(self) -> None:
        """The whole journey; the barrier is awaited once."""
        barrier, sink = CountingBarrier(), Collector()
        handle = await self._send(barrier)
        self.assertEqual(barrier.passes, 1)
        self.assertRegex(handle, r"^\S{1,64}$")
        self.assertIs((await self._finished(handle)).stage, RemoteStage.DONE)
        size = await self.provider.fetch(handle, sink, max_bytes=10**8)
        self.assertEqual(size, len(sink.content))
        with Image.open(io.BytesIO(sink.content)) as image:
            image.load()

    async def test_the_balance_falls_when_it_is_said_to(self) -> None:
        """A ledger is held against this count."""
        before = await self.provider.credits()
        handle = await self._send()
        cost = self.provider.capabilities.credits_per_send
        by_upload = self.provider.charging is Charging.UPLOAD
        self.assertEqual(await self.provider.credits(), before - cost * by_upload)
        await self._finished(handle)
        await self.provider.fetch(handle, Collector(), max_bytes=10**8)
        self.assertEqual(await self.provider.credits(), before - cost)

    async def test_photos_sent_at_once_are_told_apart(self) -> None:
        """Each send has a handle of its own."""
        handles = await asyncio.gather(*(self._send() for _ in range(3)))
        self.assertEqual(len(set(handles)), 3)
        states = await self.provider.states(handles[: self.provider.handles_per_call])
        self.assertLessEqual(set(states), set(handles))

    async def test_a_barrier_that_refuses_ends_the_send(self) -> None:
        """Its error comes out as it is, and nothing was accepted."""
        before = await self.provider.credits()
        for error in (TrippedError("lost"), ProviderError(Code.PROVIDER_BUSY, retryable=True)):
            with self.assertRaises(type(error)) as caught:
                await self._send(CountingBarrier(error))
            self.assertIs(caught.exception, error)
        self.assertEqual(await self.provider.credits(), before)

    async def test_a_photo_that_is_not_its_size_never_passes_the_barrier(self) -> None:
        """A copy cut short on this side must not be paid for."""
        before = await self.provider.credits()
        for wrong in (self.photo[:-1], self.photo + b"!"):
            lying = Upload(len(self.photo), "image/jpeg", upload_of(wrong).pieces)
            barrier = CountingBarrier()
            with self.assertRaises(StorageError):
                await self.provider.send(lying, self.enhancement(), barrier=barrier)
            self.assertEqual(barrier.passes, 0)
        self.assertEqual(await self.provider.credits(), before)

    async def test_an_upload_that_breaks_comes_out_as_it_is(self) -> None:
        """A storage's error is the caller's to judge."""

        async def pieces() -> AsyncIterator[bytes]:
            yield self.photo[:100]
            raise TrippedError("storage")

        barrier = CountingBarrier()
        with self.assertRaises(TrippedError):
            await self.provider.send(
                Upload(len(self.photo), "image/jpeg", pieces), self.enhancement(), barrier=barrier
            )
        self.assertEqual(barrier.passes, 0)

    async def test_a_send_cancelled_before_the_barrier_costs_nothing(self) -> None:
        """A worker that stops lets go of what has not passed."""
        before = await self.provider.credits()
        has_begun = asyncio.Event()

        async def pieces() -> AsyncIterator[bytes]:
            yield self.photo[:100]
            has_begun.set()
            await asyncio.sleep(self.patience_seconds)

        upload = Upload(len(self.photo), "image/jpeg", pieces)
        sending = asyncio.create_task(
            self.provider.send(upload, self.enhancement(), barrier=CountingBarrier())
        )
        await has_begun.wait()
        sending.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await sending
        self.assertEqual(await self.provider.credits(), before)

    async def test_the_impossible_is_refused_before_anything_is_read(self) -> None:
        """Neither the photo nor the barrier is touched."""

        def pieces() -> AsyncIterator[bytes]:
            raise AssertionError("the photo was asked for")

        barrier = CountingBarrier()
        with self.assertRaises(InvalidOptionsError):
            await self.provider.send(
                Upload(1, "image/jpeg", pieces), self.impossible(), barrier=barrier
            )
        self.assertEqual(barrier.passes, 0)

    async def test_one_unknown_handle_does_not_spoil_the_others(self) -> None:
        """Each photo has an answer of its own."""
        handle = await self._send()
        asked = [self.unknown_handle, handle]
        states: dict[str, RemoteState | ProviderError] = {}
        step = min(self.provider.handles_per_call, len(asked))
        for start in range(0, len(asked), step):
            states.update(await self.provider.states(asked[start : start + step]))
        self.assertEqual(set(states), set(asked))
        self.assertIs(self._state(states[self.unknown_handle]).stage, RemoteStage.GONE)
        self.assertIsNot(self._state(states[handle]).stage, RemoteStage.GONE)

    async def test_nobody_is_asked_about_nothing(self) -> None:
        """A tick without photos is no error."""
        self.assertEqual(dict(await self.provider.states([])), {})

    async def test_what_is_gone_cannot_be_fetched(self) -> None:
        """For good, and without a byte."""
        sink = Collector()
        with self.assertRaises(ProviderError) as caught:
            await self.provider.fetch(self.unknown_handle, sink, max_bytes=10**8)
        self.assertIs(caught.exception.code, Code.PROVIDER_COPY_GONE)
        self.assertFalse(caught.exception.retryable)
        self.assertEqual(bytes(sink.content), b"")

    async def test_a_result_too_large_is_not_taken_in(self) -> None:
        """No more than the limit reaches the sink."""
        handle = await self._send()
        await self._finished(handle)
        sink = Collector()
        with self.assertRaises(ProviderError) as caught:
            await self.provider.fetch(handle, sink, max_bytes=100)
        self.assertIs(caught.exception.code, Code.RESULT_FILE_TOO_LARGE)
        self.assertLessEqual(len(sink.content), 100)

    async def test_a_sink_that_breaks_can_be_tried_again(self) -> None:
        """Its error comes out as it is; the result is still there."""
        handle = await self._send()
        await self._finished(handle)
        with self.assertRaises(TrippedError):
            await self.provider.fetch(handle, Collector(TrippedError("disk")), max_bytes=10**8)
        sink = Collector()
        size = await self.provider.fetch(handle, sink, max_bytes=10**8)
        self.assertEqual(size, len(sink.content))

    async def test_processing_again_works_or_is_refused_for_free(self) -> None:
        """Not every vendor can; who cannot must say so before the barrier."""
        handle = await self._send()
        await self._finished(handle)
        barrier = CountingBarrier()
        try:
            again = await self.provider.send_again(handle, self.enhancement(), barrier=barrier)
        except ProviderError as error:
            self.assertIs(error.code, Code.PROVIDER_CANNOT_REPEAT)
            self.assertIs(error.charged, False)
            self.assertEqual(barrier.passes, 0)
        else:
            self.assertEqual(barrier.passes, 1)
            self.assertIs((await self._finished(again)).stage, RemoteStage.DONE)

    async def _send(self, barrier: CountingBarrier | None = None) -> str:
        return await self.provider.send(
            upload_of(self.photo), self.enhancement(), barrier=barrier or CountingBarrier()
        )

    async def _finished(self, handle: str) -> RemoteState:
        async with asyncio.timeout(self.patience_seconds):
            while True:
                state = self._state((await self.provider.states([handle]))[handle])
                if state.stage not in (RemoteStage.WAITING, RemoteStage.PROCESSING):
                    return state
                await asyncio.sleep(0.05)

    def _state(self, state: RemoteState | ProviderError) -> RemoteState:
        if isinstance(state, ProviderError):
            self.fail(f"an error instead of a state: {state.code}")
        return state
