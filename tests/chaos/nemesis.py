"""Does its worst to workers, by a seed: kills, freezes, cuts the database, breaks the vendor.

Owns the draw and its carrying out. What is right and wrong is the oracle's.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from signal import SIGCONT, SIGSTOP
from typing import Any

from django.db import OperationalError, close_old_connections
from django_q.models import OrmQ
from PIL import Image

from django_hili.models import JobStatus, PhotoJob
from django_hili.models.job import ACTIVE
from tests import photos
from tests.chaos.cuts import CUT, SWALLOW, Cutter
from tests.chaos.nursery import Nursery, Worker
from tests.chaos.oracle import Oracle
from tests.processes import ROOT

LEASE = 1.0
TIDYING = 5.0
"""Seconds. Short, so that an abandoned photo is soon taken up again."""
_LIFE = 4.0
"""A worker that has not met its point by then is killed wherever it is."""

HARMLESS: list[tuple[str, str, dict[str, Any]]] = [
    ("slow", "any", {"seconds": 0.7}),
    ("dribble", "any", {"bytes_per_second": 20_000}),
    ("http_error", "any", {"status": 503}),
    ("http_error", "uploads", {"status": 502, "accepted": True}),
    ("rate_limited", "any", {"retry_after": 1}),
    ("rate_limited", "uploads", {"retry_after": 1, "form": "date"}),
    ("rate_limit", "any", {"per_second": 20.0}),
    ("hang_up", "uploads", {}),
    ("lost_answer", "any", {}),
    ("lost_answer", "any", {"reset": True}),
    ("lost_answer", "uploads", {"accepted": False}),
    ("cut_short", "any", {}),
    ("broken_json", "any", {}),
    ("html", "any", {}),
    ("errno", "uploads", {"errno": 7777}),
    ("errno", "uploads", {"errno": 500, "accepted": True}),
    ("errno", "status", {"errno": 500}),
    ("no_credits", "uploads", {}),
    ("numbers_as_text", "any", {}),
    ("wrong_clock", "any", {"seconds": 300.0}),
    ("wrong_ids", "any", {"count": -1}),
    ("wrong_ids", "any", {"count": 1}),
    ("older_server", "status", {}),
    ("without_field", "uploads", {"field": "mdf"}),
    ("without_field", "status", {"field": "data"}),
    ("unknown_state", "status", {"code": 7}),
    ("slow_processing", "uploads", {"seconds": 2.0}),
    ("redirect", "file", {"hops": 2}),
]
"""Whatever of these shows, the photo is enhanced in the end, or held in doubt."""

DEADLY: list[tuple[str, str, dict[str, Any]]] = [
    ("errno", "uploads", {"errno": 9001}),
    ("errno", "uploads", {"errno": 9005}),
    ("errno", "uploads", {"errno": 9006}),
    ("errno", "uploads", {"errno": 9009}),
    ("fails", "uploads", {}),
    ("expired", "any", {}),
    ("result_url", "download", {}),
    ("redirect", "file", {"to": "http://169.254.169.254/"}),
    *(("wrong_file", "file", {"what": what}) for what in (
        "html", "text", "empty", "truncated", "short_length", "long_length")),
]  # fmt: skip
"""After these a photo may fail, for good reason; it is still never charged twice."""


def points() -> list[str]:
    """Every named point that a remote photo's trip has, as the code stands."""
    rooms = (ROOT / "django_hili" / "jobs").rglob("*.py")
    named = re.findall(r'crash_point\("(\w+)"\)', "".join(room.read_text() for room in rooms))
    return sorted(set(named) - {"before_enhance", "after_enhance"})


@dataclass
class Deeds:
    """What was done in a campaign."""

    kills: int = 0
    pauses: int = 0
    cuts: int = 0
    faults: int = 0
    by_point: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills ({sum(self.by_point.values())} at {len(self.by_point)} named"
            f" points), {self.pauses} pauses past the lease, {self.cuts} database cuts,"
            f" {self.faults} vendor faults"
        )


@dataclass
class Aim:
    """How much a campaign has to do, and with what."""

    kills: int
    pauses: int = 0
    cuts: int = 0
    faults: str = "harmless"
    """harmless, deadly too, or none."""
    host: str = "hili_run"
    side_by_side: int = 2
    in_flight: int = 60
    guard: str = ""


class Nemesis:
    """One campaign against one nursery of workers."""

    def __init__(
        self, *, seed: int, aim: Aim, oracle: Oracle, nursery: Nursery, cutter: Cutter, user: Any
    ) -> None:
        self.dice = random.Random(seed)
        self.aim = aim
        self.deeds = Deeds()
        self._oracle = oracle
        self._nursery = nursery
        self._cutter = cutter
        self._user = user
        self._photos = distinct_photos(seed)
        self._crew: list[Worker] = []
        """Workers that outlive what is done to them, for as long as the dice say."""
        self._points = itertools.cycle(self.dice.sample(points(), len(points())))

    def rage(self) -> None:
        """Go on until every aim is reached."""
        aim, deeds = self.aim, self.deeds
        while deeds.kills < aim.kills or deeds.pauses < aim.pauses or deeds.cuts < aim.cuts:
            self._hand_in()
            if aim.faults != "none":
                self._break_vendor()
            wanted = [
                deed
                for deed, done, goal in (
                    (self._kill, deeds.kills, aim.kills),
                    (self._pause, deeds.pauses, aim.pauses),
                    (self._cut, deeds.cuts, aim.cuts),
                )
                if done < goal
            ]
            weights = {"_kill": 6, "_pause": 3, "_cut": 1}
            self.dice.choices(wanted, [weights[deed.__name__] for deed in wanted])[0]()

    def calm(self, *, patience: float = 120.0) -> None:
        """No more harm: let one worker finish what is left."""
        self._oracle.vendor.control.clear_faults()
        self._oracle.vendor.control.processing(0)
        end = time.monotonic() + patience
        # Who lived through a cut has to finish its photos itself: its leases stay alive with it.
        crew = self._crew or [self._spawn()]
        while time.monotonic() < end and self._unfinished():
            time.sleep(0.2)
        # A worker that was overtaken still takes its results away: killed now, it could not.
        tidy = time.monotonic() + TIDYING
        while time.monotonic() < tidy and self._oracle.orphans():
            time.sleep(0.2)
        for worker in crew:
            assert worker.kill(), "a worker ended by itself"

    def _spawn(self, *, crash_at: str = "", pause_at: str = "") -> Worker:
        if self.aim.host == "qcluster":
            # On SQLite a shift makes way for a worker whose lease has not run out yet.
            time.sleep(LEASE)
            wake_up_call()
        return self._nursery.spawn(
            self.aim.host, crash_at=crash_at, pause_at=pause_at, guard=self.aim.guard
        )

    def _unfinished(self) -> int:
        close_old_connections()
        return PhotoJob.objects.filter(status__in=[JobStatus.QUEUED, *ACTIVE]).count()

    def _hand_in(self) -> None:
        missing = self.aim.in_flight - self._unfinished()
        if missing > self.aim.in_flight // 3:
            for _ in range(missing):
                self._oracle.hand_in(self._user, next(self._photos))

    def _break_vendor(self) -> None:
        control = self._oracle.vendor.control
        if self.dice.random() < 0.3:
            return
        control.clear_faults()
        control.processing(0, self.dice.choice([0, 0.3, 1.0]))
        choice = HARMLESS if self.aim.faults == "harmless" else HARMLESS + DEADLY
        for kind, endpoint, figures in self.dice.sample(choice, self.dice.randint(1, 3)):
            times = self.dice.randint(1, 8)
            control.fault(kind, endpoint, times=times, chance=self.dice.choice([0.3, 1]), **figures)
            self.deeds.faults += 1

    def _trap(self) -> str:
        return f"{next(self._points)}:{self.dice.choice([1, 1, 1, 2, 3, 5])}"

    def _wait(self, seconds: float, workers: list[Worker], letters: str) -> None:
        """Wait so long, or until every worker has met its point."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(each.state not in letters for each in workers):
            time.sleep(0.02)

    def _kill(self) -> None:
        """Some workers at once, each with a point to die at, or killed at any moment."""
        traps = [self._trap() for _ in range(self.aim.side_by_side)]
        workers = [self._spawn(crash_at=trap) for trap in traps]
        # Most are given the time to meet their point; some are killed at any moment.
        life = self._life * (1 if self.dice.random() < 0.7 else self.dice.uniform(0.1, 0.5))
        self._wait(life, workers, "Z")
        for worker, trap in zip(workers, traps, strict=True):
            if not worker.is_alive:
                self.deeds.by_point[trap.split(":")[0]] += 1
            worker.kill()
            self.deeds.kills += 1

    def _pause(self) -> None:
        """Freeze some past their lease while another goes on; thaw them, then kill them all."""
        frozen = [self._spawn(pause_at=self._trap()) for _ in range(self.aim.side_by_side)]
        self._wait(self._life, frozen, "T")
        for worker in frozen:
            worker.send(SIGSTOP)
        other = self._spawn()
        time.sleep(LEASE * self.dice.uniform(1.2, 2.0))
        for worker in frozen:
            worker.send(SIGCONT)
        time.sleep(self.dice.uniform(0.2, 0.8))
        self.deeds.pauses += len(frozen)
        for worker in (*frozen, other):
            self.deeds.kills += worker.kill()

    def _cut(self) -> None:
        """Take the database from workers in mid-work, and give it back. They have to live on."""
        if len(self._crew) < self.aim.side_by_side:
            self._crew.append(self._spawn())
        time.sleep(self.dice.uniform(0.5, 2.0))
        for _ in range(2):
            self._cutter.cut(self.dice.choice([0.0, 0.5, 2.0]), self.dice.choice([CUT, SWALLOW]))
            self.deeds.cuts += 1
            time.sleep(self.dice.uniform(0.2, 1.0))
        if self.dice.random() < 0.5:
            self.deeds.kills += self._crew.pop().kill()

    @property
    def _life(self) -> float:
        return _LIFE if self.aim.host == "hili_run" else 3 * _LIFE


def distinct_photos(seed: int) -> Iterator[bytes]:
    """Small photos, no two alike; every seventh takes several pieces to send."""
    dice = random.Random(seed)
    for number in itertools.count():
        side = 480 if number % 7 == 6 else 24
        image = Image.frombytes("RGB", (side, side), dice.randbytes(3 * side * side))
        yield photos.saved(image, "JPEG", quality=95)


def wake_up_call() -> None:
    """What a dead cluster took out of the queue comes back after minutes; a site's tick looks."""
    from django_hili import queue

    # A cluster that is frozen in the middle of a write keeps SQLite to itself.
    with contextlib.suppress(OperationalError):
        OrmQ.objects.all().delete()
        queue.hand_over()
