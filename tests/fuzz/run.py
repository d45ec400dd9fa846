"""Feeds broken photos to the door and to the engine, and looks that both always answer; to the
engine a second time as scratch masks.

`python -m tests.fuzz.run --cases 10000` is the whole run (`make fuzz`). A case is its number:
`--first 4711 --cases 1` runs one again, and `--keep FOLDER` writes it to a file to look at.
Every case goes through `clean()` in a process with a memory limit and through the real local
provider with its engine process. Each must give a result or a code, within the limit of time.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

TIME_LIMIT = 20.0
"""Seconds for one photo, at the door and in the engine."""
MEMORY_LIMIT = 1024**3
MAX_MEGAPIXELS = 4
SIDES = ("door", "engine", "mask")
_BLOCK = 250
_KILLED = {"photo_unreadable", "engine_crashed", "engine_timed_out", "internal_error"}
"""Codes that answer for a process that broke: allowed, and worth a look each."""


@dataclass
class Report:
    """What came of a run."""

    outcomes: dict[str, Counter[str]] = field(
        default_factory=lambda: {side: Counter() for side in SIDES}
    )
    killed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SIDES, 0.0))
    peak_mb: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SIDES, 0))

    def note(self, side: str, number: int, name: str, outcome: str, seconds: float) -> None:
        """Count one answer; remember it where it is not what it should be."""
        self.outcomes[side][outcome] += 1
        self.slowest[side] = max(self.slowest[side], seconds)
        line = f"case {number} ({name}) at the {side}: {outcome}, {seconds:.2f} s"
        if outcome in _KILLED:
            self.killed.append(line)
        elif outcome.startswith("BROKEN") or seconds > TIME_LIMIT + 2:
            self.broken.append(line)

    def text(self) -> str:
        """Return the report as it is printed."""
        lines = []
        for side, outcomes in self.outcomes.items():
            lines.append(
                f"{side}: {outcomes.total()} cases, slowest {self.slowest[side]:.2f} s, "
                f"peak {self.peak_mb[side]} MB"
            )
            lines += [f"  {count:6} {outcome}" for outcome, count in outcomes.most_common()]
        lines += [f"a process broke and a code answered for it: {line}" for line in self.killed]
        lines += [f"WRONG: {line}" for line in self.broken]
        return "\n".join(lines)


def run(first: int, cases: int, *, say: bool = False) -> Report:
    """Run the cases from `first` on, and return what came of them."""
    report = Report()
    engine = asyncio.Runner()
    try:
        for start in range(first, first + cases, _BLOCK):
            numbers = list(range(start, min(start + _BLOCK, first + cases)))
            _door(numbers, report)
            engine.run(_engine(numbers, report))
            if say:
                bad = len(report.broken)
                sys.stderr.write(f"{numbers[-1] + 1 - first} of {cases}, {bad} wrong\n")
    finally:
        engine.close()
    return report


def _door(numbers: list[int], report: Report) -> None:
    """Have each photo cleaned in a process with a limit; a new one for what follows a crash."""
    from tests.fuzz.mutate import NAMES

    todo = list(numbers)
    while todo:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=_clean_all, args=(todo, theirs), daemon=False
        )
        process.start()
        theirs.close()
        for number in _answered(ours, todo, report):
            todo.remove(number)
        process.kill()
        process.join()
        if todo:
            why = f"BROKEN (hung or died, {process.exitcode})"
            report.note("door", todo[0], NAMES[todo[0] % len(NAMES)], why, 0)
            todo.pop(0)


def _answered(ours: Connection, todo: list[int], report: Report) -> Iterator[int]:
    from tests.fuzz.mutate import NAMES

    for number in list(todo):
        if not ours.poll(TIME_LIMIT + 5):
            return
        try:
            outcome, seconds, peak = ours.recv()
        except EOFError:
            return
        report.note("door", number, NAMES[number % len(NAMES)], outcome, seconds)
        report.peak_mb["door"] = max(report.peak_mb["door"], peak)
        yield number


def _clean_all(numbers: list[int], answers: Connection) -> None:
    """The site's process: limited, so that what it allocates for a header shows."""
    from django_hili.imaging import apart
    from tests.fuzz.mutate import case

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_LIMIT, used + MEMORY_LIMIT))
    for number in numbers:
        started = time.monotonic()
        outcome = _clean_one(case(number)[1])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        answers.send((outcome, time.monotonic() - started, peak))
    apart._idle.end()
    os._exit(0)


def _clean_one(content: bytes) -> str:
    from django_hili.exceptions import HiliError
    from django_hili.imaging.clean import clean
    from django_hili.imaging.inspect import inspect

    try:
        made = clean(content, max_megapixels=MAX_MEGAPIXELS)
        header = inspect(made.content, max_megapixels=MAX_MEGAPIXELS)
    except HiliError as error:
        return error.code.value
    except BaseException as error:  # noqa: BLE001 - what is not a code is what we look for
        return f"BROKEN ({type(error).__name__})"
    if (header.width, header.height) != (made.width, made.height):
        return "BROKEN (size)"
    return "a photo"


async def _engine(numbers: list[int], report: Report) -> None:
    from django_hili.providers.local import LocalProvider
    from tests.fuzz.mutate import case

    provider = LocalProvider("local", {"memory_limit": MEMORY_LIMIT, "time_limit": TIME_LIMIT})
    try:
        for number in numbers:
            name, content = case(number)
            for side in ("engine", "mask"):
                started = time.monotonic()
                outcome = await _enhance_one(provider, content, is_mask=side == "mask")
                report.note(side, number, name, outcome, time.monotonic() - started)
                for process in provider._idle:
                    report.peak_mb[side] = max(report.peak_mb[side], _peak_mb(process.pid))
    finally:
        await provider.aclose()


async def _enhance_one(provider, content: bytes, *, is_mask: bool) -> str:
    from django_hili.exceptions import HiliError
    from django_hili.providers.base import Photo
    from django_hili.vocabulary import Enhancement, Operation
    from tests import photos
    from tests.fuzz.mutate import can_be_shown

    if is_mask:
        photo = Photo(photos.jpeg(), "image/jpeg", mask=content, wants_mask=True)
        wish = Enhancement((Operation.SCRATCH,))
    else:
        photo = Photo(content, "image/jpeg")
        wish = Enhancement((Operation.SR,), scale=2)
    try:
        made = await provider.enhance(photo, wish, lambda *_: None)
        size = can_be_shown(made.content)
    except HiliError as error:
        return error.code.value
    except Exception as error:  # noqa: BLE001 - what is not a code is what we look for
        return f"BROKEN ({type(error).__name__})"
    if is_mask and can_be_shown(made.mask) != size:
        return "BROKEN (mask)"
    return "a photo" if size == (made.width, made.height) else "BROKEN (size)"


def _peak_mb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def main() -> int:
    """Run from a shell; ends with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="write the cases into this folder, and end")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django
    from django.test import override_settings

    django.setup()
    if options.keep:
        from tests.fuzz.mutate import case

        for number in range(options.first, options.first + options.cases):
            name, content = case(number)
            (options.keep / f"{number}-{name}").write_bytes(content)
        return 0
    with override_settings(HILI={"LIMITS": {"MAX_MEGAPIXELS": MAX_MEGAPIXELS}}):
        report = run(options.first, options.cases, say=True)
    sys.stdout.write(report.text() + "\n")
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
