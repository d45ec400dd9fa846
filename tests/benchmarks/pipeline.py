"""What the pipeline's benchmarks share: jobs by the hundred, a counted worker, a raw loop.

A worker is measured in a process of its own, so that its CPU and memory are its own:

    python -m tests.benchmarks.pipeline run|raw …     (prints one line of JSON)
"""

from __future__ import annotations

import asyncio
import collections
import datetime as dt
import hashlib
import json
import logging
import os
import resource
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import httpx
from django.db import connections
from django.db.backends.signals import connection_created
from django.utils import timezone

if __name__ == "__main__":
    django.setup()

from django_hili.jobs.worker import poll, remote, upkeep
from django_hili.jobs.worker.run import Runner
from django_hili.media import vault
from django_hili.models import Heartbeat, Media, MediaKind, MediaState, PhotoJob
from django_hili.models.job import Basis
from tests.processes import start_python

SECRET = "sandbox-secret"


def rows_of(count: int, now: dt.datetime, *, provider: str = "hili") -> Iterator[PhotoJob]:
    """Queued jobs, not yet inserted."""
    for _ in range(count):
        yield PhotoJob(
            id=uuid.uuid4(), provider=provider, operations=["repair"], image_type="people",
            basis=Basis.NO_PERSONAL_DATA, dpi=300, due_at=now, created_at=now,
            expires_at=now + dt.timedelta(days=90),
        )  # fmt: skip


def lay_out(count: int, photo: bytes, *, provider: str = "hili") -> None:
    """Insert queued jobs, each with a source in the vault."""
    now = timezone.now()
    jobs, sources = list(rows_of(count, now, provider=provider)), []
    for job in jobs:
        source = vault.plan(
            kind=MediaKind.SOURCE, now=now, expires_at=now + dt.timedelta(hours=1), job_id=job.pk
        )
        vault.write(source, photo)
        source.content_type, source.width, source.height = "image/jpeg", 60, 40
        source.state = MediaState.LIVE
        sources.append(source)
    Media.objects.bulk_create(sources, batch_size=100)
    PhotoJob.objects.bulk_create(jobs, batch_size=100)


def touch(path: str) -> None:
    """The queue's task that does nothing but say when."""
    Path(path).write_text(str(time.time()))


def measure(
    what: str, *, vendor: str, timeout: float = 300, heaps: int = 0, **options: Any
) -> dict[str, Any]:
    """Run this module in a process of its own and return what it measured.

    With `heaps`, glibc makes so many at the most: by default each thread has one of its own, and
    what lies unused in them is counted as memory too.
    """
    words = [f"{name}={value}" for name, value in options.items()]
    process = start_python(
        "-W", "ignore", "-m", "tests.benchmarks.pipeline", what, *words, HILI_TEST_VENDOR=vendor,
        **({"MALLOC_ARENA_MAX": str(heaps)} if heaps else {}),
    )  # fmt: skip
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, output.decode()
    return dict(json.loads(output.decode().splitlines()[-1]))


def memory_mb(kind: str = "VmRSS") -> float:
    """This process's memory now, or with `VmHWM` its peak."""
    text = Path("/proc/self/status").read_text()
    return int(next(row for row in text.splitlines() if row.startswith(kind)).split()[1]) / 1024


def cpu_seconds() -> float:
    """What this process and its ended children have used."""
    own, children = (resource.getrusage(who) for who in (
        resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))  # fmt: skip
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


class Counter:
    """Counts the statements of every connection that is opened from now on."""

    def __init__(self) -> None:
        self.count = 0
        self.texts: collections.Counter[str] = collections.Counter()

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.count += 1
        self.texts[sql[:90]] += 1
        return execute(sql, params, many, context)

    def install(self) -> None:
        """Wrap what the database threads will execute."""

        def wrap(connection: Any, **_: Any) -> None:
            if self not in connection.execute_wrappers:
                connection.execute_wrappers.append(self)

        self._kept = wrap
        connection_created.connect(wrap)


def run_worker(in_flight: int = 0, seconds: float = 0.0, tick: float = 0.0) -> dict[str, Any]:
    """Work until no job is left, or for `seconds`, and say what that took."""
    if in_flight:
        remote.MOST_IN_FLIGHT = in_flight
    if tick:
        poll.TICK = tick
    # The hourly walk through the storage is no job's.
    now = timezone.now()
    Heartbeat.objects.begin(now)
    Heartbeat.objects.look(now, every=upkeep.LOOK_INTERVAL)
    counter = Counter()
    counter.install()
    connections.close_all()
    runner = Runner(until_idle=not seconds)
    peak = [0, 0.0]

    async def work() -> None:
        async def stop_later() -> None:
            await asyncio.sleep(seconds)
            runner.stop()

        async def watch() -> None:
            while True:
                lanes = runner._lanes.values()
                now = max((len(getattr(lane, "_watch", ())) for lane in lanes), default=0)
                peak[0] = max(peak[0], now)
                peak[1] = max(peak[1], memory_mb())
                await asyncio.sleep(0.25)

        tasks = [asyncio.create_task(watch())]
        if seconds:
            tasks.append(asyncio.create_task(stop_later()))
        report = await runner.run()
        peak.append(report.done)
        for task in tasks:
            task.cancel()

    before, start = cpu_seconds(), time.perf_counter()
    asyncio.run(work())
    return {
        "seconds": time.perf_counter() - start, "cpu": cpu_seconds() - before,
        "statements": counter.count, "in_flight": peak[0], "memory": peak[1], "done": peak[2],
        "peak": memory_mb("VmHWM"),
        "texts": "\n".join(f"{n:6} {t}" for t, n in counter.texts.most_common(30)),
    }  # fmt: skip


def raw_loop(vendor: str, photos: int, size: int, together: int = 16) -> dict[str, Any]:
    """Make the same four calls with httpx alone: what a client cannot do without."""
    photo = os.urandom(size)

    def token() -> dict[str, str]:
        now = str(int(time.time()))
        return {"token": hashlib.md5((SECRET + now).encode()).hexdigest() + "," + now}

    async def one(client: httpx.AsyncClient) -> None:
        root = f"{vendor}/api/third/"
        said = await client.post(
            f"{root}uploads", headers=token(), data={"third_code": "x", "seq": "repair"},
            files={"file": ("photo.jpg", photo, "image/jpeg")},
        )  # fmt: skip
        asked = {"third_code": "x", "mdf": said.json()["data"]["mdf"]}
        # Theirs go as multipart too.
        parts = {name: (None, value) for name, value in asked.items()}
        await client.post(f"{root}status", headers=token(), files=parts)
        where = await client.post(f"{root}download", headers=token(), files=parts)
        async with client.stream("GET", where.json()["data"]["url"]) as answer:
            async for _ in answer.aiter_raw():
                pass

    async def lane(left: Iterator[int]) -> None:
        # One client of one connection each: a pool of many is slower.
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            for _ in left:
                await one(client)

    async def all_of_them() -> None:
        left = iter(range(photos))
        await asyncio.gather(*(lane(left) for _ in range(together)))

    before, start = cpu_seconds(), time.perf_counter()
    asyncio.run(all_of_them())
    return {"seconds": time.perf_counter() - start, "cpu": cpu_seconds() - before}


def main(what: str, *words: str) -> None:
    """Measure one thing and print it."""
    logging.disable(logging.INFO)
    options = {name: float(value) for name, _, value in (word.partition("=") for word in words)}
    if what == "run":
        found = run_worker(
            int(options.get("in_flight", 0)), options.get("seconds", 0.0), options.get("tick", 0.0)
        )
    else:
        whole = {name: int(value) for name, value in options.items()}
        found = raw_loop(os.environ["HILI_TEST_VENDOR"], **whole)
    print(json.dumps(found))  # noqa: T201 - who started us reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
