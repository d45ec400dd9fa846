"""When a provider is asked about which photo, and what an outage changes about that."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence

import pytest

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.jobs.moves import breakers
from django_hili.jobs.worker import poll
from django_hili.jobs.worker.desk import Desk
from django_hili.jobs.worker.poll import InFlight, Watch
from django_hili.models import PhotoJob
from django_hili.providers.hili import HiliProvider
from django_hili.providers.remote import RemoteStage, RemoteState

DOWN = ProviderError(Code.PROVIDER_DOWN, retryable=True)
WORKING, DONE = RemoteState(RemoteStage.PROCESSING), RemoteState(RemoteStage.DONE)
PHOTOS = [f"{number:032x}" for number in range(250)]

Answer = Callable[[Sequence[str]], dict]


class Questions:
    """A watch over some photos, the questions it asks, and what came of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, photos: Sequence[str]) -> None:
        self.asked: list[list[str]] = []
        self.done: list[str] = []
        self.lost: dict[str, Code] = {}
        self.answer: Answer = lambda handles: dict.fromkeys(handles, DONE)
        self.now = 1000.0
        monkeypatch.setattr(poll, "_clock", lambda: self.now)
        monkeypatch.setattr(breakers, "note_failure", lambda *_: None)
        self.desk = Desk()
        self.provider = HiliProvider("hili", {"third_code": "x", "secret_key": "y"})
        self.provider.states = self._states
        self.watch = Watch(
            self.desk, self.provider, breakers.Gate("hili"),
            on_done=lambda photo: self.done.append(photo.handle), on_lost=self._lost,
        )  # fmt: skip
        for handle in photos:
            self.watch.go_on(InFlight(PhotoJob(), handle, self.now, None))

    async def _states(self, handles: Sequence[str]) -> dict:
        self.asked.append(list(handles))
        return self.answer(handles)

    async def _lost(self, photo: InFlight, code: Code) -> None:
        self.lost[photo.handle] = code

    def down(self, _: Sequence[str]) -> dict:
        raise DOWN

    async def go_on_for(self, seconds: float) -> int:
        """Tick every tenth of a second; return how many calls that made."""
        before = len(self.asked)
        until = self.now + seconds
        while self.now < until:
            self.now += 0.1
            await self.watch.tick()
        return len(self.asked) - before

    async def aclose(self) -> None:
        await self.desk.aclose()
        await self.provider.aclose()


@pytest.fixture
def ask(monkeypatch):
    """Run a story of questions."""

    def run(story, photos=PHOTOS):
        async def told() -> None:
            questions = Questions(monkeypatch, photos)
            try:
                await story(questions)
            finally:
                await questions.aclose()

        asyncio.run(told())

    return run


pytestmark = pytest.mark.django_db(transaction=True)


def test_all_are_asked_about_in_as_few_calls_as_there_may_be(ask):
    async def story(questions):
        questions.answer = lambda handles: dict.fromkeys(handles, WORKING)
        assert await questions.go_on_for(1.0) == 2 * 3
        assert sorted(itertools.chain(*questions.asked[:3])) == PHOTOS

    ask(story)


def test_ten_minutes_of_silence_cost_one_call_a_pause_however_many_photos_wait(ask):
    async def story(questions):
        questions.answer = questions.down
        first = await questions.go_on_for(0.1)
        assert first == 3
        later = await questions.go_on_for(600)
        assert 600 / poll.LONGEST_PAUSE <= later <= 100
        assert len({tuple(call) for call in questions.asked[first:]}) == 1
        assert questions.watch.silences
        assert not questions.lost

    ask(story)


def test_the_first_answer_after_a_silence_brings_every_result_at_once(ask):
    async def story(questions):
        questions.answer = questions.down
        await questions.go_on_for(60)
        questions.answer = lambda handles: dict.fromkeys(handles, DONE)
        questions.watch.hear_of_provider()
        await questions.go_on_for(0.1)
        assert sorted(questions.done) == PHOTOS
        assert not questions.watch.silences

    ask(story)


def test_one_photo_that_is_never_answered_is_no_silence_for_long(ask):
    async def story(questions):
        questions.answer = questions.down
        await questions.go_on_for(0.1)
        assert questions.watch.silences
        # The provider has answered something else since: what remains is about this photo.
        questions.watch.hear_of_provider()
        await questions.go_on_for(0.1)
        assert not questions.watch.silences
        [photo] = questions.watch
        assert photo.unheard == 1

    ask(story, PHOTOS[:1])


def test_a_call_that_fails_beside_others_puts_off_its_own_photos_only(ask):
    async def story(questions):
        bad = set(PHOTOS[:100])

        def answer(handles):
            if bad & set(handles):
                raise DOWN
            return dict.fromkeys(handles, WORKING)

        questions.answer = answer
        await questions.go_on_for(0.1)
        assert not questions.watch.silences
        assert {photo.handle for photo in questions.watch if photo.unheard} == bad

    ask(story)


def test_a_refusal_for_good_ends_the_photos_it_is_about(ask):
    async def story(questions):
        def answer(_):
            raise ProviderError(Code.PROVIDER_REFUSED_OPTIONS)

        questions.answer = answer
        await questions.go_on_for(0.1)
        assert set(questions.lost) == {PHOTOS[0]}
        assert not len(questions.watch)

    ask(story, PHOTOS[:1])


def test_photos_with_one_id_are_asked_about_once_and_all_are_answered(ask):
    async def story(questions):
        questions.answer = lambda handles: dict.fromkeys(handles, WORKING)
        await questions.go_on_for(0.1)
        assert questions.asked == [PHOTOS[:2]]
        assert len(questions.watch) == 4
        questions.answer = lambda handles: dict.fromkeys(handles, DONE)
        await questions.go_on_for(1)
        assert sorted(questions.done) == [PHOTOS[0]] * 3 + [PHOTOS[1]]
        assert not len(questions.watch)

    ask(story, [PHOTOS[0], PHOTOS[0], PHOTOS[1], PHOTOS[0]])


@pytest.mark.parametrize(("failures", "learned"), [(0, 1), (1, 0)])
def test_an_outage_teaches_nothing_about_the_vendors_pace(ask, failures, learned):
    async def story(questions):
        questions.answer = questions.down
        for _ in range(failures):
            await questions.go_on_for(0.1)
        questions.answer = lambda handles: dict.fromkeys(handles, DONE)
        await questions.go_on_for(600)
        assert len(questions.watch.learned.seconds) == learned

    ask(story, PHOTOS[:1])
