"""Thousands of schedules of simulated workers, each by a seed, with the outside oracle at the end.

The workers are the real ones, `Runner` and all below it; the clock, the vendor, the threads and
the disk are not. A worker may die or freeze at any statement and at any named point, its clock
may lie, its answers be lost, its commits unheard. One schedule again, with its story:

    python -m tests.chaos.simulate --seed 4711 --schedules 1 --tell
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import hashlib
import io
import os
import random
import secrets
import sys
import time
import uuid
from collections import Counter
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

EPOCH = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
LEASE = 4.0
STORM = 12.0
CALM = 400.0
SETTLE_AFTER = 8.0
"""Longer than anything is late here, shorter than some sleep."""


class Site:
    """What patched modules ask: whose turn it is and what time it is for them."""

    loop: Any = None
    dice = random.Random(0)
    offset = 0.0
    """Each schedule has an hour of its own, so that nothing remembered reaches into the next."""

    @classmethod
    def now(cls) -> dt.datetime:
        """The time by the clock of whoever asks."""
        if cls.loop is None:
            return EPOCH + dt.timedelta(seconds=cls.offset)
        lie = cls.loop.current.clock_lie if cls.loop.current else 0.0
        return EPOCH + dt.timedelta(seconds=cls.offset + cls.loop.now + lie)

    @classmethod
    def seconds(cls) -> float:
        """The same as a clock that nobody sets."""
        return cls.offset + (cls.loop.now if cls.loop else 0.0)


def set_up() -> None:
    """Bring Django up on a database in memory, with time and chance in our hands."""
    from django.utils import timezone

    timezone.now = Site.now
    uuid.uuid4 = lambda: uuid.UUID(int=Site.dice.getrandbits(128), version=4)
    secrets.token_hex = lambda size=32: Site.dice.randbytes(size).hex()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.chaos.sim_settings"
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    os.environ["HILI_TEST_LEASE"] = str(LEASE)
    import django

    django.setup()
    from django.core.files.storage import storages
    from django.core.management import call_command
    from django.db import connections

    # One connection for all: Django would give each task of a loop its own.
    connections._connections = SimpleNamespace(default=connections["default"])
    storages["hili"]
    call_command("migrate", verbosity=0)
    from django_hili.jobs.moves import reconcile
    from django_hili.media import keys, sink

    for module in (keys, sink):
        module.time = SimpleNamespace(monotonic=Site.seconds)  # type: ignore[assignment]
    # All threads are one here: it would wait for itself where a statement lets others go on.
    sink._lock = contextlib.nullcontext()  # type: ignore[assignment]
    reconcile.SETTLE_AFTER = dt.timedelta(seconds=SETTLE_AFTER)
    _look_only_where_something_is()
    _take_hold_of_database()
    _take_hold_of_points()


def _look_only_where_something_is() -> None:
    """The look for orphans goes through 256 folders; a schedule has something in a dozen."""
    from django_hili.models import Media
    from django_hili.privacy.erasure import orphans

    def folders_of(_storage: Any) -> Any:
        on_disk = _files()
        known = [*on_disk, *Media.objects.values_list("name", flat=True)]
        for folder in sorted({name.rpartition("/")[0] for name in known}):
            yield folder, {name for name in on_disk if name.startswith(f"{folder}/")}

    orphans.folders_of = folders_of


def _take_hold_of_database() -> None:
    from django.db import OperationalError, connections

    from tests.chaos.sim_loop import KilledError
    from tests.chaos.sim_vendor import World

    def statement(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        loop = Site.loop
        if loop and loop.is_over:
            raise KilledError
        process = loop.current if loop else None
        if process is None:
            return execute(sql, params, many, context)
        vendor = World.vendor
        weather = vendor.weather
        if not connection.in_atomic_block and vendor.happens(weather.yield_between):
            loop.between_statements()
        if not process.is_dead and vendor.happens(weather.die_at_statement):
            loop.kill(process)
        if process.is_dead:
            raise KilledError
        if vendor.happens(weather.database_away):
            raise OperationalError("simulated")
        return execute(sql, params, many, context)

    connection = connections["default"]
    commit = connection._commit

    def heard_or_not() -> None:
        commit()
        loop = Site.loop
        if loop and loop.current and World.vendor.happens(World.vendor.weather.commit_unheard):
            if World.vendor.happens(0.5):
                loop.kill(loop.current)
                connection.run_on_commit = []
                raise KilledError
            raise OperationalError("simulated")

    connection.execute_wrappers.append(statement)
    connection._commit = heard_or_not


def _take_hold_of_points() -> None:
    from django_hili.jobs.worker import crash
    from tests.chaos.sim_loop import KilledError
    from tests.chaos.sim_vendor import World

    class Trap:
        name = "any"

        def springs_at(self, name: str) -> bool:
            process, vendor = Site.loop.current, World.vendor
            if process is None:
                return False
            if vendor.happens(vendor.weather.die_at_point):
                Site.loop.kill(process)
            if process.is_dead:
                raise KilledError
            if vendor.happens(vendor.weather.freeze_at_point):
                process.frozen_until = Site.loop.now + vendor.dice.uniform(0, 3 * LEASE)
            return False

    crash._crash = Trap()


class Schedule:
    """One seed's story from the first photo to the verdict."""

    def __init__(self, seed: int, *, tell: bool = False) -> None:
        from django_hili.providers.remote import Charging
        from tests.chaos.sim_loop import SimLoop
        from tests.chaos.sim_vendor import SimVendor, World

        self.seed = seed
        self.dice = Site.dice = random.Random(seed)
        random.seed(seed)
        Site.loop = None
        Site.offset = seed % 1000 * 7200.0
        self.wrong: list[str] = []
        self.deeds: Counter[str] = Counter()
        self.job_of: dict[str, uuid.UUID] = {}
        self._tell = tell
        _wipe()
        loop = SimLoop(self.dice)
        charging = self.dice.choice([Charging.UPLOAD, Charging.UPLOAD, Charging.DOWNLOAD])
        is_exclusive, is_broken = self.dice.random() < 0.7, self.dice.random() < 0.25
        self.vendor = World.vendor = SimVendor(
            loop, self.dice, charging, is_exclusive, has_guest=not is_exclusive or is_broken
        )
        self._hand_in(self.dice.randint(1, 4))
        self.loop = Site.loop = loop
        self.processes: list[Any] = []

    def run(self) -> list[str]:
        """Storm, calm, verdict."""
        self.vendor.weather = _weather(self.dice)
        self.say(
            f"charged per {self.vendor.charging}, said to be exclusive: {self.vendor.is_exclusive},"
            f" somebody else spends: {self.vendor.has_guest}"
        )
        self.say(str({k: v for k, v in asdict(self.vendor.weather).items() if v}))
        for _ in range(self.dice.choice([1, 2, 2, 3])):
            self._spawn()
        for _ in range(self.dice.randint(0, 5)):
            self.loop.in_world(self.dice.uniform(0, STORM), self._strike)
        self.loop.run(until=self._keep_alive, latest=STORM)
        self._calm()
        self._judge()
        self.loop.close()
        Site.loop = None
        return self.wrong

    @property
    def digest(self) -> int:
        """The same for the same story."""
        return self.loop.trace

    def say(self, words: str) -> None:
        """Tell the story, if somebody listens."""
        if self._tell:
            at = self.loop.now if Site.loop else 0.0
            sys.stdout.write(f"{at:8.2f}  {words}\n")

    def _hand_in(self, count: int) -> None:
        import django_hili
        from django_hili.media import vault
        from django_hili.models import Media

        for photo in self.dice.sample(_PHOTOS, count):
            job = django_hili.enhance(
                photo, operations=["repair"], basis="attestation", reason="A simulation."
            )
            source = Media.objects.get(job_id=job.pk)
            self.job_of[hashlib.sha256(vault.read(source)).hexdigest()] = job.pk

    def _spawn(self, *, stays: bool = False) -> None:
        from django_hili.jobs.worker.run import Runner
        from tests.chaos.sim_loop import Process

        lie = self.dice.choice([0.0, 0.0, 0.0, -10.0, 3.0, 10.0])
        process = Process(f"worker {len(self.processes) + 1}", lie)
        self.processes.append(process)
        self.say(f"{process.name} starts, its clock {lie:+.0f} s")

        async def main() -> None:
            await Runner(until_idle=not stays).run()

        self.loop.start(process, main())

    def _strike(self) -> None:
        living = [each for each in self.processes if not each.has_ended]
        deed = self.dice.choice(["kill", "freeze", "freeze", "spawn", "cancel", "spend"])
        if deed == "spend":
            self._spend()
            return
        if deed == "spawn" or not living:
            self._spawn()
            return
        process = self.dice.choice(living)
        self.deeds[deed] += 1
        self.say(f"{deed}: {process.name}")
        if deed == "kill":
            self.loop.kill(process)
        elif deed == "freeze":
            process.frozen_until = self.loop.now + self.dice.uniform(0.5, 4 * LEASE)
        elif deed == "cancel":
            self._cancel()

    def _spend(self) -> None:
        """Credits are bought, by as many as no schedule has photos; or somebody else spends some.

        Where the site says that nobody does, and somebody does, the oracle still lets no photo be
        paid twice; but a send may be called paid that was not.
        """
        if self.vendor.has_guest and self.dice.random() < 0.8:
            self.vendor.left -= self.dice.choice([1, 1, 2, 3])
            self.deeds["foreign"] += 1
            self.deeds["broken promise"] += self.vendor.is_exclusive
        else:
            self.vendor.left += self.dice.choice([10, 50])
            self.deeds["bought"] += 1
        self.say(f"not by this site's sends: {self.vendor.left} credits left")

    def _cancel(self) -> None:
        from django_hili.exceptions import WrongStateError
        from django_hili.jobs.cancel import cancel_job

        job_id = self.dice.choice(list(self.job_of.values()))
        try:
            cancel_job(job_id=job_id)
        except WrongStateError:
            return
        self.say(f"job {job_id} is cancelled")

    def _keep_alive(self) -> bool:
        """While the storm lasts there is always a worker, as a supervisor would see to."""
        for process in self.processes:
            if process.is_dead and not getattr(process, "is_counted", False):
                process.is_counted = True
                self.deeds["deaths"] += 1
                self.say(f"{process.name} is dead")
        if all(process.has_ended for process in self.processes):
            self._spawn()
        return False

    def _calm(self) -> None:
        """No more harm. Who lives goes on; a fresh worker joins; all must come to an end."""
        from tests.chaos.sim_vendor import Weather

        late = self.vendor.weather.latest if self.vendor.weather.late else 0.0
        self.vendor.weather = Weather()
        self.say("calm")
        self._spawn()
        start = self.loop.now

        def is_over() -> bool:
            if self._unended():
                if all(process.has_ended for process in self.processes):
                    self._spawn()
                return False
            return self.loop.now > start + late + 15

        self.loop.run(until=is_over, latest=start + CALM)
        if self._held():
            # A worker that stays counts credits, and settles what the numbers settle.
            self.say("the doubts are counted")
            self._spawn(stays=True)
            self.loop.run(until=lambda: False, latest=self.loop.now + 3.5 * SETTLE_AFTER)
            self.loop.run(until=lambda: not self._unended(), latest=self.loop.now + CALM)

    def _held(self) -> bool:
        from django_hili.models import JobStatus, PhotoJob

        return PhotoJob.objects.filter(status=JobStatus.HELD).exists()

    def _unended(self) -> int:
        from django_hili.models import JobStatus, PhotoJob
        from django_hili.models.job import ACTIVE

        return PhotoJob.objects.filter(status__in=[JobStatus.QUEUED, *ACTIVE]).count()

    def _judge(self) -> None:
        from django_hili.jobs.worker.upkeep import upkeep
        from django_hili.models import Media, MediaKind
        from django_hili.privacy.erasure.sweep import sweep_orphan_files

        for fingerprint, job_id in self.job_of.items():
            self._judge_job(job_id, self.vendor.taken[fingerprint])
        self._judge_files(set(Media.objects.values_list("name", flat=True)), "orphan file")
        later = Site.now() + dt.timedelta(hours=2)
        upkeep(later)
        sweep_orphan_files(later)
        live = Media.objects.live().filter(kind=MediaKind.RESULT)
        self._judge_files(set(live.values_list("name", flat=True)), "outlives its deadline")

    def _judge_job(self, job_id: uuid.UUID, taken: int) -> None:
        from django_hili.models import Disclosure, JobStatus, Media, MediaKind, PhotoJob

        job = PhotoJob.objects.get(pk=job_id)
        sends = Disclosure.objects.filter(job_id=job_id).order_by("intended_at")
        told = [(send.state, send.charged) for send in sends]
        charged = [send.charged for send in sends]
        sure, unsure = charged.count(True), charged.count(None)
        story = f"{job.status} {job.code} {job.held_reason} {told} took {taken}"
        self.say(f"job {job_id}: {story}")
        by_download = self.vendor.charging == "download"
        if taken > 1 and not (by_download and job.status == JobStatus.CANCELLED):
            self.wrong.append(f"charged twice: {story}")
        if not by_download and not sure <= taken <= sure + unsure:
            if self.vendor.is_exclusive and self.vendor.has_guest and taken < sure:
                self.deeds["called paid"] += 1
            else:
                self.wrong.append(f"books: {story}")
        if job.status == JobStatus.DONE:
            if Media.objects.live().filter(job_id=job_id, kind=MediaKind.RESULT).count() != 1:
                self.wrong.append(f"lost: no result: {story}")
        elif job.status == JobStatus.HELD:
            if by_download or not {"unknown", "reconciled"} & {send.state for send in sends}:
                self.wrong.append(f"held for nothing: {story}")
            self.deeds["held"] += 1
        elif job.status == JobStatus.FAILED:
            self.wrong.append(f"lost: {story}")
        elif job.status != JobStatus.CANCELLED:
            self.wrong.append(f"stuck: {story}")

    def _judge_files(self, expected: set[str], words: str) -> None:
        on_disk = _files()
        self.wrong += [f"{words}: {name}" for name in sorted(on_disk - expected)]
        from django_hili.models import Media

        live = set(Media.objects.live().values_list("name", flat=True))
        self.wrong += [f"missing file: {name}" for name in sorted(live - on_disk)]


def _weather(dice: random.Random) -> Any:
    """Each schedule has troubles of its own; few have all of them."""
    from tests.chaos.sim_vendor import Weather

    weather = Weather(yield_between=dice.choice([0.0, 0.3, 0.8]))
    for name, chances in {
        "refuse": (0.3,),
        "lose_answer": (0.2, 0.6),
        "lose_request": (0.2, 0.6),
        "late": (0.3, 0.8),
        "fail_call": (0.1, 0.5),
        "die_at_statement": (0.002, 0.01),
        "die_at_point": (0.02, 0.1),
        "freeze_at_point": (0.05, 0.2),
        "database_away": (0.005, 0.05),
        "commit_unheard": (0.01, 0.1),
    }.items():
        if dice.random() < 0.3:
            setattr(weather, name, dice.choice(chances))
    return weather


def _photos() -> list[bytes]:
    from PIL import Image

    found = []
    for number in range(6):
        file = io.BytesIO()
        Image.new("RGB", (16, 16), (number * 40, 90, 200 - number * 30)).save(file, "JPEG")
        found.append(file.getvalue())
    return found


_PHOTOS: list[bytes] = []


def _wipe() -> None:
    from django.apps import apps
    from django.core.files.storage import storages
    from django.db import connection

    connection.run_on_commit = []
    with connection.cursor() as cursor:
        for model in apps.get_app_config("django_hili").get_models():
            cursor.execute(f"DELETE FROM {model._meta.db_table}")
    storage = storages["hili"]
    for name in _files():
        storage.delete(name)


def _files() -> set[str]:
    from django.core.files.storage import storages

    storage = storages["hili"]
    found: set[str] = set()
    folders = [""]
    while folders:
        folder = folders.pop()
        inner, names = storage.listdir(folder)
        found |= {f"{folder}/{name}".lstrip("/") for name in names}
        folders += [f"{folder}/{name}".lstrip("/") for name in inner]
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run schedules; say which seeds went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.simulate")
    parser.add_argument("--seed", type=int, default=0, help="of the first schedule; 0: any")
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=0, help="end after so long, if earlier")
    parser.add_argument("--guard", default="", help="token, barrier or ledger: what to take out")
    parser.add_argument("--tell", action="store_true", help="tell the story of each")
    parser.add_argument("--stop", action="store_true", help="end at the first that goes wrong")
    options = parser.parse_args(arguments)
    set_up()
    from tests.chaos import without
    from tests.chaos.sim_vendor import World

    without.take_out(options.guard)
    World.keeps_last_bytes = options.guard != "barrier"
    sys.unraisablehook = lambda _: None  # the dead complain when they are put away
    _PHOTOS.extend(_photos())
    Schedule(0).run()  # whatever is remembered from a first time is remembered from here
    first = options.seed or random.SystemRandom().randrange(1, 10**8)
    began, wrong, steps, deeds = time.perf_counter(), 0, 0, Counter[str]()
    done = 0
    for seed in range(first, first + options.schedules):
        schedule = Schedule(seed, tell=options.tell)
        found = schedule.run()
        done += 1
        if options.tell:
            sys.stdout.write(f"seed {seed}: digest {schedule.digest:08x}\n")
        steps += schedule.loop.steps
        deeds += schedule.deeds
        if found:
            wrong += 1
            sys.stdout.write(f"seed {seed}: {'; '.join(found[:3])}\n")
            if options.stop:
                break
        if options.seconds and time.perf_counter() - began > options.seconds:
            break
    seconds = time.perf_counter() - began
    sys.stdout.write(
        f"{done} schedules from seed {first}, {steps} steps, {deeds['deaths']} deaths,"
        f" {deeds['freeze']} freezes, {deeds['bought']} purchases, {deeds['foreign']} foreign"
        f" spends ({deeds['broken promise']} of them against the site's word:"
        f" {deeds['called paid']} sends called paid that were not),"
        f" {deeds['held']} held in doubt, {seconds:.0f} s: {wrong} wrong\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    asyncio.set_event_loop_policy(None)
    sys.exit(main())
