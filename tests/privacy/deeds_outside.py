"""What may happen in a history besides photos at home: the queue, a vendor, people's requests."""

from __future__ import annotations

import calendar
import copy
import datetime as dt
import queue as queues
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from tests.privacy.far_vendor import KEPT, MOODS, OPTIONS, PATIENT, Far

REMOTE_PROFILES = {"hili", "pixel", "miao", "strictest_remote"}
"""Where a processor is allowed at all, by the policies' own words."""
MARGIN, GIVEN_UP = dt.timedelta(minutes=15), dt.timedelta(hours=24)
"""From a vendor's deadline until it is asked, and until it no longer is."""
SHORT, LONG = dt.timedelta(seconds=0.25), dt.timedelta(seconds=20)


@dataclass
class Request:
    """A request of a person, and by when they have to have an answer."""

    whose: Any
    step: int
    received: dt.datetime
    words: str
    due: dt.datetime
    is_verified: bool
    is_open: bool = True


def months_later(moment: dt.datetime, months: int) -> dt.datetime:
    """The same day some months on, or the last one of a shorter month."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


class OutsideDeeds:
    """Part of a life, whose fields these use."""

    # A vendor.

    def _open_vendor(self) -> None:
        from django_hili.providers.remote import Charging

        Far.open_anew()
        Far.region = self.dice.choice(["DE", "DE", "CN"])
        Far.charging = self.dice.choice([Charging.UPLOAD, Charging.UPLOAD, Charging.DOWNLOAD])
        Far.is_exclusive = self.dice.random() < 0.7
        Far.is_sloppy = self.dice.random() < 0.2
        self.is_bound = True
        self.is_abroad = self.dice.random() < 0.1
        self.judged_lines = 0
        self.releases: dict[str, int] = {}
        self.requests: dict[Any, Request] = {}
        self.wordless: set[Any] = set()
        self.say(
            f"the vendor is in {Far.region}, charges per {Far.charging}; exclusive:"
            f" {Far.is_exclusive}; sloppy: {Far.is_sloppy}; stores abroad: {self.is_abroad}"
        )

    def _providers(self) -> dict[str, Any]:
        """The settings' word on who works on photos."""
        return {
            "local": {"BACKEND": "tests.privacy.histories_site.NearbyProvider"},
            "hili": {
                "BACKEND": "tests.privacy.far_vendor.FarProvider", "OPTIONS": OPTIONS,
                "POLICY_URL": "https://far.example/privacy", "CONTACT": "far@far.example",
                "AGREEMENT": "of 2031" if self.is_bound else "",
                "ASSESSED_ON": self.assessed_on,
            },
        }  # fmt: skip

    def needed(self, provider: str) -> set[str]:
        """What somebody has to have agreed to before a photo goes to a provider."""
        keys = {"enhance"} | ({"cross_border"} if self.is_abroad else set())
        if provider == "local":
            return keys
        abroad = {"cross_border:hili"} if Far.region != "DE" else set()
        return keys | {"processor:hili"} | abroad

    def may_send(self, person: Any, provider: str) -> bool:
        """Whether a person's photo may go to a provider, by what was said and done."""
        if provider != "local" and (
            self.profile not in REMOTE_PROFILES or not self.is_bound or self.is_child(person)
        ):
            return False
        if not self.needed(provider) <= self.wants(person):
            return False
        is_minor = self.is_flagged(person)
        return not is_minor or all(self.has_guardian(person, key) for key in self.needed(provider))

    def is_child(self, person: Any) -> bool:
        """Whether it was said last that the person is a child."""
        said = [word for word in person.words if word[1] in {"minor", "adult", "cancel"}]
        return bool(said) and said[-1][1:] == ("minor", "child")

    @staticmethod
    def _are_copies_pending() -> bool:
        from django_hili.models import Disclosure, VendorCopy

        return Disclosure.objects.filter(
            outcome=VendorCopy.PENDING, vendor_due_at__isnull=False
        ).exists()

    def _contract(self) -> Any:
        self.is_bound = not self.is_bound
        self.say(f"the vendor's contract {'begins' if self.is_bound else 'ends'}")
        self._set_up_site()
        return None

    def _release(self) -> Any:
        """Somebody lets a doubtful photo go out again, with open eyes."""
        from django_hili.jobs.hold import release_job
        from django_hili.models import HeldReason, PhotoJob

        doubts = PhotoJob.objects.filter(status="held", held_reason=HeldReason.SEND_UNKNOWN)
        if not (found := list(doubts.order_by("pk"))):
            return None
        job = self.dice.choice(found)
        self.say(f"job {job.pk}, in doubt, is let go")
        self.releases[str(job.pk)] = self.releases.get(str(job.pk), 0) + 1
        return (
            lambda: release_job(job_id=job.pk, accept_possible_charge=True),
            lambda died: None,
        )

    # The queue.

    def _work(self) -> Any:
        from django_hili import queue
        from django_hili.models import PhotoJob
        from django_hili.models.job import ACTIVE
        from tests.privacy.histories_site import NearbyProvider

        self._let_leases_end(PhotoJob.objects.filter(status__in=ACTIVE).exists())
        NearbyProvider.refuses = self.dice.random() < 0.15
        Far.mood = self.dice.choices(list(MOODS), list(MOODS.values()))[0]
        queue.shift_length = lambda: SHORT if Far.mood in PATIENT else LONG
        jobs = PhotoJob.objects.unfinished().filter(provider="local")
        waiting = list(jobs.exclude(status="held").values_list("pk", flat=True))
        self.say(
            f"the queue's turn: {PhotoJob.objects.unfinished().count()} unfinished jobs,"
            f" fails: {NearbyProvider.refuses}, the vendor {Far.mood}"
        )
        served: list[str] = []

        def after(died: bool) -> None:
            if died:
                return
            late = PhotoJob.objects.filter(pk__in=waiting, status__in=["queued", *ACTIVE])
            if not self.is_behind and late.filter(due_at__lte=self.now).exists():
                self._late_wrong = "INV-21: a job did not end"
            if any(name.endswith("tick") for name in served):
                self._ticked()

        return lambda: served.extend(serve_queue()), after

    def _let_leases_end(self, is_active: bool) -> None:
        from tests.privacy.deeds import Clock

        Clock.now += dt.timedelta(seconds=65 if is_active else 2)

    def _ticked(self) -> None:
        """What has to be true where the queue ran undisturbed."""
        from django_hili.models import Disclosure, VendorCopy

        self._swept(False, thoroughly=self._has_looked())
        past = self.now - MARGIN
        due = Disclosure.objects.filter(
            outcome=VendorCopy.PENDING, vendor_due_at__lte=past, probes=0
        )
        if not self.is_behind and Far.mood not in {"is down", "fails"} and due.exists():
            self._late_wrong = "INV-19: nobody asked what became of a vendor's copy"

    # Requests.

    def _ask(self) -> Any:
        from django_hili.models import Case, CaseKind, Subject
        from django_hili.privacy.rights.cases import ask

        person = self._someone()
        subject = Subject.objects.filter(user_key=str(person.pk)).first()
        if subject is None:
            return None
        kinds = [CaseKind.ACCESS, CaseKind.CORRECT, CaseKind.COMPLAIN, CaseKind.GUARDIAN]
        kind, words = self.dice.choice(kinds), f"CANARYWORDS{self.dice.getrandbits(80):020x}"
        self.needles.append(words.encode())
        self.say(f"{person.pk} asks: {kind}")
        before = set(Case.objects.values_list("pk", flat=True))

        def after(died: bool) -> None:
            for case in Case.objects.exclude(pk__in=before):
                month = months_later(case.received_at, 1)
                first = month if kind == CaseKind.GUARDIAN else self._in_days(month, self.now)
                self.requests[case.pk] = Request(
                    person, self.step, case.received_at, words, first, kind != CaseKind.GUARDIAN
                )

        return lambda: ask(kind=kind, subject_ref=subject.pk, text=words), after

    @staticmethod
    def _in_days(month: dt.datetime, verified: dt.datetime) -> dt.datetime:
        return min(month, verified + dt.timedelta(days=15))

    def _answer(self) -> Any:
        """Somebody sees to a request: checks who asks, takes more time, or ends it."""
        from django_hili.models import CaseOutcome, ExtensionReason, RefusalGround
        from django_hili.privacy.rights import cases

        found = [pk for pk, one in self.requests.items() if self.is_waiting(one) is True]
        if not found:
            return None
        pk = self.dice.choice(found)
        one = self.requests[pk]
        until = one.received + dt.timedelta(days=self.dice.choice([20, 40, 80]))
        ground = self.dice.choice([RefusalGround.ABUSE, RefusalGround.NOT_VERIFIED])
        deeds = {
            "verified": lambda: cases.verify(case_id=pk),
            "extended": lambda: cases.extend(
                case_id=pk, reason=ExtensionReason.COMPLEX, until=until
            ),
            "granted": lambda: cases.close(
                case_id=pk, outcome=CaseOutcome.GRANTED, text=one.words
            ),
            "refused": lambda: cases.close(
                case_id=pk, outcome=CaseOutcome.REFUSED, ground=ground, text=one.words
            ),
        }  # fmt: skip
        deed = self.dice.choice(["verified", "extended", "granted", "refused"])
        self.say(f"request {pk} is {deed}")
        return deeds[deed], lambda died: self._note_answer(pk, deed, until)

    def _note_answer(self, pk: Any, deed: str, until: dt.datetime) -> None:
        """Remember what was written of it, dead or alive; the clock is reckoned here anew."""
        from django_hili.models import Case

        one, row = self.requests[pk], Case.objects.filter(pk=pk).first()
        if row is None:
            return
        if deed == "verified" and row.state == "verified" and not one.is_verified:
            month = months_later(one.received, 1)
            one.is_verified, one.due = True, min(one.due, self._in_days(month, self.now))
        if deed == "extended" and row.extension and row.due_at == until > one.due:
            one.due = until
            if until > months_later(one.received, 3):
                self._late_wrong = "INV-28: extended beyond three months"
        one.is_open = one.is_open and row.state != "closed"

    def is_waiting(self, one: Request) -> bool | None:
        """Whether a request is still to be answered; None where a vanished person asked."""
        cancelled = [step for step, deed, _ in one.whose.words if deed == "cancel"]
        if not one.is_open or any(step > one.step for step in cancelled):
            return False
        return True if one.whose.is_there and one.whose.vanished <= one.step else None

    def _remember_requests(self) -> dict[Any, Request]:
        return {pk: copy.copy(one) for pk, one in self.requests.items()}


def serve_queue() -> list[str]:
    """Do what a cluster's processes do, one after the other in this one; return what was run."""
    from django.utils import timezone
    from django_q.brokers import get_broker
    from django_q.models import OrmQ, Schedule
    from django_q.monitor import monitor
    from django_q.scheduler import scheduler
    from django_q.signing import SignedPackage
    from django_q.worker import worker

    from tests.privacy.deeds import Clock

    broker = get_broker()
    # As if the cluster had looked every minute: the others would find nothing but this one.
    Schedule.objects.update(next_run=timezone.now() - dt.timedelta(seconds=1))
    scheduler(broker)
    Clock.now += dt.timedelta(seconds=1)
    served: list[str] = []
    while len(served) < 6 and OrmQ.objects.filter(lock__lt=timezone.now()).exists():
        for number, payload in broker.dequeue() or []:
            task = {**SignedPackage.loads(payload), "ack_id": number}
            served.append(task["func"])
            tasks, results = queues.Queue(), queues.Queue()
            tasks.put(task)
            tasks.put("STOP")
            worker(tasks, results, _Timer(), 90)
            results.put("STOP")
            monitor(results, broker)
    return served


class _Timer(SimpleNamespace):
    """What a worker tells its guard."""

    value = 0

    def get_lock(self) -> Any:
        """There is one process."""
        from contextlib import nullcontext

        return nullcontext()


__all__ = ["KEPT", "OutsideDeeds", "Request", "serve_queue"]
