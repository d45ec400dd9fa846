"""Random lives of a site, each by a seed, with every invariant asked after every step.

The verbs, rows, files, keys and receipts are the real ones; the clock is ours, and a step may be
killed at any statement, commit, file or named point. The whole, and one life again with its story:

    python -m tests.privacy.histories --count 500
    python -m tests.privacy.histories --count 1 --first 4711 --tell
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import logging
import os
import random
import shutil
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from tests.privacy.deeds import DAY, HOUR, START, Clock, Copy, Deeds, Person
from tests.privacy.deeds_outside import REMOTE_PROFILES

STEPS = 24
DEADLY = {
    "copy": 0, "restore": 0, "lose": 0, "plant": 0,
    "work": 0.45, "delete": 0.6, "withdraw": 0.6, "sweep": 0.4,
}  # fmt: skip
"""How often a deed is killed; what erases is killed most."""
AT = ((1, 2, 3, 5, 8, 13, 21, 34), (2, 5, 13, 21, 34, 40, 46, 52, 58, 64, 70, 80, 90, 110))
"""At which of the points that a deed passes it may be killed; the queue passes more of them."""
SEND_POINTS = (
    "after_intend", "mid_body", "before_barrier", "after_barrier", *("after_answer",) * 3,
    "after_accepted", "after_reserve", "after_fetch", "after_write", "after_commit",
)  # fmt: skip
"""Named points of a worker, between the intention to send a photo and its end."""
PROFILES = ("hili", "hili", "aiart", "pixel", "pixel", "miao", "strictest", "strictest_remote")


def is_guardian(*, user_key: str, proof: str) -> bool:
    """The site's verifier."""
    return bool(user_key) and proof == "signed"


def set_up() -> None:
    """Bring Django up on a database of its own, with time in our hands."""
    os.environ.pop("PYTEST_XDIST_WORKER", None)  # its folder is its own already
    os.environ["HILI_TEST_DIR"] = tempfile.mkdtemp(prefix="hili-histories-") + "/site"
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.privacy.histories_site"
    from django.utils import timezone

    timezone.now = lambda: Clock.now
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from tests.privacy import kill
    from tests.privacy.far_vendor import Far

    Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir()
    kill.set_traps()
    call_command("migrate", verbosity=0)
    os.fsync = lambda _: None  # type: ignore[assignment]  # the power stays on
    Far.folder, Far.database = (
        settings.BASE_DIR.parent / "vendor",
        settings.DATABASES["default"]["NAME"],
    )
    Far.clock = Clock
    _hurry()
    _walk_faster()


def _hurry() -> None:
    """Let workers wait for next to nothing, and sweep only where a step says so."""
    from django_hili.jobs.worker import direct, outbound, poll, run

    run.BUSY_PAUSE = run.IDLE_PAUSE = poll.TICK = 0.02
    poll.YOUNG = 0.0
    outbound.LONG_PATIENCE = direct.ERASE_PATIENCE = 0.01

    async def nothing(_: Any) -> None:
        """The queue's own tick keeps house."""

    run.Runner._keep_house = nothing  # type: ignore[method-assign]


def _walk_faster() -> None:
    """Pass over folders that hold neither file nor row: there is nothing to be found in them."""
    from django_hili.models import Media
    from django_hili.privacy.erasure import orphans, replay

    walk = orphans.folders_of

    def folders_of(storage: Any) -> Any:
        used = {name.rpartition("/")[0] for name in Media.objects.values_list("name", flat=True)}
        return (each for each in walk(storage) if each[1] or each[0] in used)

    orphans.folders_of = replay.folders_of = folders_of


class Life(Deeds):
    """One seed's story. The oracle reads its fields."""

    always_sends: ClassVar[bool] = False
    """Whether every life is one with much to send."""
    _worn: ClassVar[Any] = None
    """The settings of now."""

    def __init__(self, seed: int, *, tell: bool = False) -> None:
        from tests.privacy.oracle import UNWRITTEN

        self.seed, self.dice, self._tell = seed, random.Random(seed), tell
        self.deeds: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()
        self.step = 0
        self.needles: list[bytes] = list(UNWRITTEN)
        self.photos: dict[uuid.UUID, dict[str, Any]] = {}
        self.promised: dict[uuid.UUID, dt.timedelta] = {}
        self.seen: dict[uuid.UUID, Any] = {}
        self.deadlines: dict[uuid.UUID, dt.datetime] = {}
        self.lost: set[uuid.UUID] = set()
        self.longer: set[uuid.UUID] = set()
        self.unreadable: set[uuid.UUID] = set()
        self.strays: set[str] = set()
        self.copies: list[Copy] = []
        self.lines: list[str] = []
        self.receipts: list[dict[str, Any]] = []
        self.anchors: list[str] = []
        self.is_behind = False
        self.is_unswept = False
        self.is_unlooked = False
        self._swept_at = START
        self._dated: set[Path] = set()
        self._begin()

    @property
    def now(self) -> dt.datetime:
        """The time."""
        return Clock.now

    def run(self, steps: int = STEPS) -> str:
        """Live, and say what went wrong first, or ""."""
        for self.step in range(1, steps + 1):
            name = self._choose()
            wrong = self._take(name)
            if wrong:
                return f"step {self.step} ({name}): {wrong}"
        self.step += 1
        return self._end()

    def say(self, words: str) -> None:
        """Tell the story, if somebody listens."""
        if self._tell:
            sys.stdout.write(f"  {self.step:3} {self.now:%d %b %H:%M} {words}\n")

    # What the oracle asks of the story.

    def is_photo(self, row: Any, content: bytes) -> bool:
        """Whether a job's photo of that kind begins with these bytes' beginning."""
        return content == self.photos[row.job_id][row.kind]

    def wants(self, person: Person) -> set[str]:
        """What a person has agreed to and not taken back, by what they did."""
        standing: set[str] = set()
        for _, deed, purpose in person.words:
            if deed in {"grant", "guardian"}:
                standing.add(purpose)
            elif deed == "withdraw":
                standing.discard(purpose)
            elif deed == "cancel":
                standing.clear()
        return standing

    def is_flagged(self, person: Person) -> bool:
        """Whether it was said last that the person is under age."""
        said = [deed for _, deed, _ in person.words if deed in {"minor", "adult", "cancel"}]
        return said[-1:] == ["minor"]

    def has_guardian(self, person: Person, key: str = "enhance") -> bool:
        """Whether the last word on a purpose, the core one at least, is a guardian's."""
        said = [deed for _, deed, purpose in person.words
                if purpose == key or deed == "cancel"]  # fmt: skip
        return said[-1:] == ["guardian"]

    # Beginning, choosing, ending.

    def _begin(self) -> None:
        from django.apps import apps
        from django.conf import settings
        from django.contrib.auth import get_user_model
        from django.db import connection, connections
        from django_q.brokers import get_broker

        from django_hili import queue
        from django_hili.conf import get_settings
        from django_hili.media import keys, sink
        from tests.privacy.histories_site import HILI

        Clock.now = START
        with connection.constraint_checks_disabled(), connection.cursor() as cursor:
            for model in apps.get_models(include_auto_created=True):
                if model._meta.app_label in {"django_hili", "sessions", "auth", "django_q"}:
                    cursor.execute(f"DELETE FROM {model._meta.db_table}")
        connections.close_all()
        for folder in ("photos", "photos-keys", "photos-evidence", "copies"):
            shutil.rmtree(settings.BASE_DIR / folder, ignore_errors=True)
        self.profile = self.dice.choice(sorted(REMOTE_PROFILES) if self.always_sends else PROFILES)
        random.seed(self.seed)
        self.is_remote = self.profile in REMOTE_PROFILES
        self.is_busy = self.is_remote and (self.dice.random() < 0.6 or self.always_sends)
        self._open_vendor()
        self._privacy = {
            **HILI["PRIVACY"], "PROFILE": self.profile,
            "GUARDIAN_VERIFIER": "tests.privacy.histories.is_guardian",
            **({"REGIONS": {"storage": "FR"}} if self.is_abroad else {}),
        }  # fmt: skip
        self._set_up_site()
        get_broker().purge_queue()
        queue.ensure_schedule()
        keys.forget_cached()
        sink.look_again()
        self._settings = get_settings
        self.log = io.StringIO()
        root = logging.getLogger()
        root.handlers[:] = [logging.StreamHandler(self.log)]
        root.setLevel(logging.DEBUG)
        logging.getLogger("django.db.backends").setLevel(logging.INFO)
        self.people = [
            Person(get_user_model().objects.create_user(f"CANARYNAME{name}").pk)
            for name in ("anna", "ben")
        ]
        self.say(f"profile {self.profile}")
        anna, ben = self.people
        self.first_words = [(anna, "enhance"), (ben, "enhance")]
        if self.is_abroad:
            self.first_words.append((anna, "cross_border"))
        if self.is_busy:
            wanted = sorted(key for key in self.needed("hili") if ":" in key)
            self.first_words += [(anna, key) for key in wanted]

    def _set_up_site(self) -> None:
        """Write the settings as they are now; every assessment is as fresh as it has to be."""
        from django.test.utils import override_settings

        from tests.privacy.histories_site import HILI

        self.assessed_on = self.now.date()
        words = {"PRIVACY": self._privacy, "PROVIDERS": self._providers()}
        if Life._worn is not None:
            Life._worn.disable()  # each lies on those before, and is asked by way of them
        Life._worn = override_settings(HILI={**HILI, **words})
        Life._worn.enable()

    def _choose(self) -> str:
        if self.is_behind:
            return self.dice.choice(["replay", "replay", "download", "sweep", "delete", "work"])
        names = {
            "consent": 4, "upload": 6, "overlap": 2, "work": 7, "download": 2, "stop": 1,
            "longer": 2, "withdraw": 2, "delete": 2, "cancel account": 1, "vanish": 0.5, "age": 1,
            "publish": 1, "sweep": 2, "wait": 4, "lose": 0.7, "plant": 0.7, "copy": 2.5,
            "restore": 1.5, "export": 1, "anchor": 0.5, "ask": 1.5, "answer": 1.5,
            "release": 1, "contract": 0.7,
        }  # fmt: skip
        if self.is_busy and self.step > len(self.first_words) and self.dice.random() < 0.45:
            # A vendor's life: where there is something to send, it is mostly sent.
            names = {"work": 6, "copy": 1, "release": 1, "restore": 0.7}
            if not self._has_work():
                names = {"wait": 1, "work": 1} if self._are_copies_pending() else {}
                names |= {"upload": 1}
            names["contract"] = 0.7 if self.is_bound else 3
        if self.step <= len(self.first_words):
            return "consent"
        return self.dice.choices(list(names), list(names.values()))[0]

    def _has_work(self) -> bool:
        from django_hili.models import PhotoJob

        return PhotoJob.objects.unfinished().exists()

    def _take(self, name: str) -> str:
        from tests.privacy.kill import killed_during

        if (self.now.date() - self.assessed_on).days > 200:
            self._set_up_site()
        deed = getattr(self, "_" + name.replace(" ", "_"))()
        self.deeds[name] += 1
        if deed is not None:
            what, after = deed
            is_first = self.step <= len(self.first_words)
            dies = self.dice.random() < (0 if is_first else DEADLY.get(name, 0.22))
            state, at = self.dice.getstate(), self._choose_death(name)
            point = killed_during(what, at) if dies else ""
            if point:
                self.deaths[point] += 1
                self.say(f"{name}: killed at {point}")
                self._after_death()
                self.dice.setstate(state)
            if not point and not dies:
                found = self._tried(what)
                if found:
                    return found
            after(bool(point) or dies)
        self._date_files()
        return self.__dict__.pop("_late_wrong", "") or self._judged()

    def _choose_death(self, name: str) -> int | str:
        """At which point a deed is to die; a send mostly where it matters for money."""
        if name == "work" and self.is_busy and self.dice.random() < 0.5:
            return self.dice.choice(SEND_POINTS)
        return self.dice.choice(AT[name == "work"])

    def _tried(self, what: Callable[[], Any]) -> str:
        from django_hili.exceptions import HiliError

        try:
            what()
        except HiliError as error:
            self.say(f"refused: {getattr(error, 'code', error)}")
        return self.__dict__.pop("_wrong", "")

    def _judged(self) -> str:
        from tests.privacy.oracle import problems

        return "; ".join(islice(problems(self), 5))

    def _after_death(self) -> None:
        """A new process finds what the dead one left; its leases run out."""
        from django_hili.media import keys, sink

        keys.forget_cached()
        sink.look_again()
        Clock.now += dt.timedelta(seconds=65)
        self.is_unswept = True

    def _date_files(self) -> None:
        """Give new files the time they were made at by our clock."""
        from django.conf import settings

        for path in (settings.BASE_DIR / "photos").rglob("*"):
            if path.is_file() and path not in self._dated:
                self._dated.add(path)
                os.utime(path, (self.now.timestamp(),) * 2)

    def _end(self) -> str:
        """No more harm: after a few calm sweeps everything holds, and nothing is allowed."""
        while self.is_behind:  # a replay that was killed is done again
            if wrong := self._take("replay"):
                return f"end: {wrong}"
        leaps = [dt.timedelta(minutes=70), dt.timedelta(minutes=70), 3 * HOUR, 40 * DAY]
        if self.requests and self.dice.random() < 0.2:
            leaps.append(190 * DAY)  # past the deadline of what people wrote
        for leap in leaps:
            self._pass(leap, sweeping=True)
            self.strays.clear()
            if leap > HOUR and (wrong := self._judged()):
                return f"end: {wrong}"
            if leap == dt.timedelta(minutes=70):
                self.strays = self._unknown_files()
        return ""


def main(arguments: list[str] | None = None) -> int:
    """Run lives; say which seeds went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.privacy.histories")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="seed of the first; 0: any")
    parser.add_argument("--seconds", type=float, default=0, help="end after so long, if earlier")
    parser.add_argument("--without", default="", help="guards to switch off, one after the other")
    parser.add_argument("--tell", action="store_true", help="tell the story of each")
    parser.add_argument("--stop", action="store_true", help="end at the first that goes wrong")
    options = parser.parse_args(arguments)
    set_up()
    try:
        if options.without:
            return _run_without(options)
        return _run(options)
    finally:
        shutil.rmtree(Path(os.environ["HILI_TEST_DIR"]).parent, ignore_errors=True)


def _run_without(options: argparse.Namespace) -> int:
    """Switch guards off, one after the other; say which life notices. `guard@seed` begins there."""
    from tests.privacy.without import GUARDS, OF_SENDS, take_out

    unnoticed = 0
    for word in options.without.split(","):
        guard, _, seed = word.partition("@")
        first = int(seed or options.first or 1)
        Life.always_sends = guard in OF_SENDS
        with take_out(guard):
            lives = (Life(seed, tell=options.tell) for seed in range(first, first + options.count))
            stories = ((life.seed, life.run()) for life in lives)
            found = next((one for one in stories if GUARDS[guard][0] in one[1]), None)
        unnoticed += found is None
        sys.stdout.write(f"without {guard}: {found and f'seed {found[0]}: {found[1]}'}\n")
        sys.stdout.flush()
    return 1 if unnoticed else 0


def _run(options: argparse.Namespace) -> int:
    from tests.privacy.far_vendor import Far

    first = options.first or random.SystemRandom().randrange(1, 10**8)
    began, steps, wrong = time.perf_counter(), 0, 0
    deeds, deaths, vendor = Counter[str](), Counter[str](), Counter[str]()
    done = 0
    for seed in range(first, first + options.count):
        if options.tell:
            sys.stdout.write(f"seed {seed}\n")
        life = Life(seed, tell=options.tell)
        found = life.run()
        done, steps = done + 1, steps + life.step
        deeds, deaths = deeds + life.deeds, deaths + life.deaths
        vendor.update(line["event"] for line in Far.books())
        if found:
            wrong += 1
            sys.stdout.write(f"seed {seed} ({life.profile}): {found}\n")
            sys.stdout.flush()
            if options.stop:
                break
        if options.seconds and time.perf_counter() - began > options.seconds:
            break
    sys.stdout.write(
        f"{done} histories from seed {first}, {steps} steps, {deaths.total()} deaths at"
        f" {len(deaths)} points, {deeds['restore']} restores,"
        f" {vendor['began']} photos sent, {vendor['accepted']} taken, {vendor['fetched']} back,"
        f" {deeds['ask']} requests,"
        f" {time.perf_counter() - began:.0f} s: {wrong} wrong\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
