"""What must hold of sends, requests and the queue, by the vendor's books and the story itself."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.cache import caches
from django_q.models import OrmQ, Schedule, Task
from django_q.signing import SignedPackage

from django_hili.codes import Code
from django_hili.models import Case, Disclosure, PhotoJob, SendState, VendorCopy
from django_hili.privacy.rights.cases import request_text
from django_hili.providers.remote import Charging
from tests.privacy.deeds_outside import GIVEN_UP, MARGIN
from tests.privacy.far_vendor import Far

if TYPE_CHECKING:
    from tests.privacy.histories import Life

NAMES = {"django_hili.tasks.shift", "django_hili.tasks.tick"}
GROUP = "django-hili: every minute"
MOST_AT_ONCE = 3
LATE = dt.timedelta(minutes=6)
"""A sweep each minute, and a few of them."""


@dataclass
class Expected:
    """What the audit may and must find by the story."""

    may: set[str]
    must: set[str]


def known_faults(life: Life) -> Expected:
    """Say which faults there are on purpose: a late answer, an ended contract, a far store."""
    must = set() if life.is_bound else {"C12"}
    must |= {"INV-11"} if life.is_abroad else set()
    may = set(must)
    for one in life.requests.values():
        if one.due < life.now and (waits := life.is_waiting(one)) is not False:
            may.add("INV-28")
            must |= {"INV-28"} if waits else set()
    unasked = Disclosure.objects.filter(outcome=VendorCopy.PENDING)
    if unasked.filter(vendor_due_at__lte=life.now - 2 * MARGIN).exists():
        may.add("INV-19")
    return Expected(may, must)


def problems(life: Life) -> Iterator[str]:
    """Yield everything that does not hold now."""
    books = Far.books()
    yield from _new_lines(life, books[life.judged_lines :])
    life.judged_lines = len(books)
    if not life.is_behind:
        yield from _ledger(books)
        yield from _outcomes(life, books)
        yield from _requests(life)
    yield from _charges(life, books)
    yield from _queue(life)
    if PhotoJob.objects.filter(code=Code.REPLAY_NEEDED.value).exists():
        yield "INV-24: a job failed because the site waited for its replay"


def _new_lines(life: Life, lines: list[dict[str, Any]]) -> Iterator[str]:
    """INV-02, 10, 11, 24: who got a photo in this step, and on what ground."""
    again = Counter(line["job"] for line in lines if line["event"] == "began")
    if again and max(again.values()) > MOST_AT_ONCE:
        yield f"INV-21: a photo left {max(again.values())} times in one step"
    for line in lines:
        if line["event"] == "fetched" and life.is_behind:
            yield "INV-24: a result was fetched before the replay"
        if line["event"] not in {"began", "accepted", "lost"}:
            continue
        if life.is_behind:
            yield "INV-24: a photo left before the replay"
        if line["job"] not in {str(pk) for pk in life.photos}:
            yield f"INV-10: something left that is no cleaned photo ({line['event']})"
            continue
        state = "intended" if line["event"] == "began" else "passed"
        if [found for _, found in line["sends"]] != [state]:
            yield f"INV-02: {line['event']} with {line['sends']} in the ledger"
        whose = life.photos[uuid.UUID(line["job"])]["whose"]
        person = next(one for one in life.people if one.pk == whose)
        if not life.may_send(person, "hili"):
            yield f"INV-02/11: {line['event']} without a consent or a contract that stood"


def _ledger(books: list[dict[str, Any]]) -> Iterator[str]:
    """INV-02: each photo that left has a row of its own, for good."""
    rows = dict(Disclosure.objects.values_list("pk", "job_id"))
    taken = Counter[str]()
    for line in books:
        if line["event"] in {"accepted", "lost"}:
            send = line["sends"][0][0] if line["sends"] else ""
            taken[send] += 1
            if not send or str(rows.get(uuid.UUID(send))) != line["job"]:
                yield f"INV-02: the ledger has no row of what was {line['event']}"
    if any(number > 1 for number in taken.values()):
        yield "INV-02: two photos left under one row"


def _charges(life: Life, books: list[dict[str, Any]]) -> Iterator[str]:
    """INV-21: nothing is paid for twice, unless a person let it go out again in doubt."""
    if Far.charging is not Charging.UPLOAD:
        return
    paid = Counter(line["job"] for line in books if line["event"] == "accepted")
    for job, number in paid.items():
        if number > 1 + life.releases.get(job, 0):
            yield f"INV-21: paid {number} times for {job}"


def _outcomes(life: Life, books: list[dict[str, Any]]) -> Iterator[str]:
    """INV-03, 09, 19, 20: what the ledger says of each copy, against the vendor's own books."""
    handles = {line["sends"][0][0]: line["handle"] for line in books
               if line["event"] == "accepted" and line["sends"]}  # fmt: skip
    asked = {(line["handle"], line["stage"]) for line in books if line["event"] == "asked"}
    receipts = Counter(one["object"] for one in life.receipts if one["kind"] == "disclosed")
    for row in Disclosure.objects.all():
        handle = handles.get(row.pk.hex)
        if receipts[str(row.pk)] != (row.outcome != VendorCopy.PENDING):
            yield f"INV-20: {receipts[str(row.pk)]} receipts for a copy that is {row.outcome}"
        if row.handle and "CANARY" in row.handle:
            yield "INV-09: a vendor's handle lies open in the ledger"
        if row.outcome == VendorCopy.PENDING:
            yield from _pending(life, row)
            continue
        if row.handle or row.expires_at is None:
            yield f"INV-19: final, and with a handle or without an end ({row.outcome})"
        if row.outcome == VendorCopy.NONE and handle is not None:
            yield "INV-19: the vendor has what it is said never to have had"
        if row.outcome == VendorCopy.CONFIRMED and (handle, "gone") not in asked:
            yield "INV-19: called gone, and the vendor never said so"
        if row.outcome == VendorCopy.STILL_SERVED and not Far.is_sloppy:
            yield "INV-19: called still there, and it is not"


def _pending(life: Life, row: Disclosure) -> Iterator[str]:
    if row.handle and row.vendor_due_at is None:
        yield "INV-03: a vendor's handle without a deadline"
    if row.state in {SendState.INTENDED, SendState.PASSED, SendState.UNKNOWN}:
        end = row.intended_at + GIVEN_UP
    elif row.vendor_due_at is not None:
        end = row.vendor_due_at + MARGIN + GIVEN_UP
    else:
        return
    if not life.is_unswept and life.now > end + LATE:
        yield f"INV-19: a copy of {row.state} is pending past its time"


def _requests(life: Life) -> Iterator[str]:
    """INV-03, 28: each request is there while it has to be, and so are its words, sealed."""
    rows = {row.pk: row for row in Case.objects.filter(pk__in=list(life.requests))}
    for pk, one in life.requests.items():
        row, waits = rows.get(pk), life.is_waiting(one)
        if waits and (row is None or row.state == "closed"):
            yield f"INV-28: request {pk} is gone without an answer"
        if row is None:
            continue
        if waits and row.due_at > one.due:
            yield f"INV-28: request {pk} is due at {row.due_at}, not {one.due}"
        words = request_text(row)
        is_past = row.expires_at <= life.now
        if is_past and words:
            yield f"INV-03: the words of {pk} open past their deadline"
        if is_past and not life.is_unswept and row.sealed_request is not None:
            yield f"INV-27: the words of {pk} are there past their deadline"
        if waits and not is_past and words != one.words and pk not in life.wordless:
            yield f"INV-04: the words of {pk} do not open"


def _queue(life: Life) -> Iterator[str]:
    """INV-08, 09, 18: tasks are wake-up calls, and nothing is remembered of them or in a cache."""
    plans = [(one.name, one.func, one.args, one.kwargs) for one in Schedule.objects.all()]
    if plans != [(GROUP, "django_hili.tasks.tick", None, None)]:
        yield "INV-08: the schedule is another"
    for row in OrmQ.objects.all():
        task = SignedPackage.loads(row.payload)
        carried = (task["args"], task["kwargs"], task.get("group", GROUP), task.get("result"))
        if task["func"] not in NAMES or carried != ((), {}, GROUP, None):
            yield "INV-08: a task carries something"
        yield from _named(life, repr(task), "a task")
    for done in Task.objects.all():
        left = (done.success, done.args, done.kwargs, done.result, done.hook, done.group)
        if done.func not in NAMES or left != (True, (), {}, None, None, GROUP):
            yield "INV-08: a task left something behind"
        yield from _named(life, done.name, "a task that is done")
    for cache in settings.CACHES:
        yield from _named(life, repr(getattr(caches[cache], "_cache", "")), "the cache")


def _named(life: Life, words: str, where: str) -> Iterator[str]:
    if "CANARY" in words:
        yield f"INV-09: a canary in {where}"
    known = [str(pk) for pk in (*life.photos, *life.seen)]
    if any(pk in words or pk.replace("-", "") in words for pk in known):
        yield f"INV-18: a photo or its job is named in {where}"
