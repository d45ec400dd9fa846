"""What may happen in a history: each deed by its name, done by the app's own verbs.

Each returns what to do and what to remember once it is done, dead or alive; or nothing, where it
could not be done or has been done already.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from tests.privacy.deeds_outside import OutsideDeeds
from tests.privacy.far_vendor import Far

HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR
START = dt.datetime(2031, 3, 1, 12, 20, tzinfo=dt.UTC)
LEAPS = (dt.timedelta(seconds=40), dt.timedelta(minutes=7), dt.timedelta(minutes=50), 3 * HOUR,
         DAY, 3 * DAY, 8 * DAY, 33 * DAY)  # fmt: skip
SHORT_LEAPS = (*LEAPS[:4], dt.timedelta(minutes=20))


class Clock:
    """What every part of the app takes for the time."""

    now = START


MEANWHILE = ("cancel_account", "withdraw", "age", "delete", "consent", "sweep")
"""What may happen while an upload is under way."""
KEYS = ("enhance", "longer", "processor:hili", "cross_border", "cross_border:hili")
"""What people may agree to, as a version of the policy names it."""


def spoken(event: Any) -> str:
    """Return what a consent event is about, in the same words."""
    return f"{event.purpose}:{event.processor}" if event.processor else str(event.purpose)


@dataclass(eq=False)
class Person:
    """Somebody with an account, and what they have said so far."""

    pk: int
    words: list[tuple[int, str, str]] = field(default_factory=list)
    """When (by step), what was done, and about which purpose."""
    vanished: int = 0
    """At which step they were deleted behind our back, should a copy bring them back."""

    @property
    def user(self) -> Any:
        """The site's row; None where it is gone."""
        from django.contrib.auth import get_user_model

        return get_user_model().objects.filter(pk=self.pk).first()

    @property
    def is_there(self) -> bool:
        """Whether the site still knows them."""
        return self.user is not None


@dataclass
class Copy:
    """A copy of database and storage as a nightly job makes one, in a folder of its own."""

    at: dt.datetime
    step: int
    lease: dt.timedelta
    folder: Path
    sealed: list[Any]
    handles: list[Any]
    requests: dict[Any, Any]


class Deeds(OutsideDeeds):
    """Everything that may happen. Part of a life, whose fields these use."""

    def _someone(self) -> Person:
        return self.dice.choice(self.people)

    def _consent(self) -> Any:
        from django_hili.models import AgeBand
        from django_hili.privacy.consent.consents import give_consent
        from django_hili.privacy.consent.policies import version_in_force

        person, key = self._someone(), self.dice.choice([*KEYS, "enhance"])
        if self.step <= len(self.first_words):
            person, key = self.first_words[self.step - 1]
        purpose, _, processor = key.partition(":")
        user, proof = person.user, self.dice.choice(["", "", "", "signed"])
        version = version_in_force()
        notice = version.notice_hashes.get(key)
        if user is None or notice is None:
            return None
        age = None if self.is_flagged(person) else AgeBand.ADULT
        self.say(f"{person.pk} agrees to {key} {proof}")

        def what() -> None:
            give_consent(
                subject=user, version=version.number, notice=notice, purpose=purpose,
                processor=processor, age_band=age, guardian_proof=proof,
            )  # fmt: skip

        deed = "guardian" if proof else "grant"
        return what, lambda died: self._remember(person, deed, key, died=died)

    def _withdraw(self) -> Any:
        from django_hili.privacy.rights.withdrawal import withdraw_consent

        person, key = self._someone(), self.dice.choice(KEYS)
        if (user := person.user) is None:
            return None
        purpose, _, processor = key.partition(":")
        self.say(f"{person.pk} takes {key} back")
        return (
            lambda: withdraw_consent(subject=user, purpose=purpose, processor=processor),
            lambda died: self._remember(person, "withdraw", key, died=died),
        )

    def _remember(self, person: Person, deed: str, purpose: str, *, died: bool) -> None:
        """Note what somebody said; where the process died, only if it got so far."""
        if (died or deed in {"grant", "guardian"}) and not self._is_written(person, deed, purpose):
            return
        person.words.append((self.step, deed, purpose))

    def _is_written(self, person: Person, deed: str, purpose: str) -> bool:
        from django_hili.models import AgeBand, Consent, Subject

        subject = Subject.objects.filter(user_key=str(person.pk)).first()
        if subject is None:
            return deed == "cancel"
        if deed in {"minor", "adult"}:
            return (subject.age_band == AgeBand.ADULT) == (deed == "adult")
        if deed == "cancel":
            return False
        words = Consent.objects.all().standing([subject.ref])
        last = next((event for event in words if spoken(event) == purpose), None)
        if last is None:
            return False
        if deed == "withdraw":
            return last.action == "withdraw"
        whose = "guardian" if deed == "guardian" else "self"
        return (last.action, last.given_by) == ("grant", whose)

    def _age(self) -> Any:
        from django_hili.models import AgeBand, Subject
        from django_hili.privacy.rights.exercise import correct

        person = self._someone()
        user, is_adult = person.user, self.dice.random() < 0.4
        if user is None or not Subject.objects.filter(user_key=str(person.pk)).exists():
            return None
        band = AgeBand.ADULT if is_adult else self.dice.choice([AgeBand.MINOR, AgeBand.CHILD])
        if self.profile == "miao" and band == AgeBand.MINOR:
            band = AgeBand.CHILD
        self.say(f"{person.pk} is {band}")
        deed = "adult" if is_adult else "minor"
        return (
            lambda: correct(subject=user, age_band=band, is_by_staff=is_adult),
            lambda died: self._remember(person, deed, str(band), died=died),
        )

    def _upload(self) -> Any:
        import django_hili
        from django_hili.exceptions import PrivacyRefusedError
        from django_hili.imaging.clean import clean
        from django_hili.imaging.encode import SourceType
        from django_hili.jobs.worker.inbound import _finish
        from django_hili.models import Media, MediaKind, PhotoJob
        from django_hili.vocabulary import DEFAULT_DPI
        from tests.privacy.histories_site import made_of, noise

        person = self.people[0] if self.is_busy and self.dice.random() < 0.7 else self._someone()
        photo = self._new_photo(noise)
        cleaned = clean(photo, max_megapixels=50).content
        made, provider = made_of(cleaned), self._choose_provider()
        if provider != "local":
            made = _finish(made, dpi=DEFAULT_DPI, mark=SourceType.MODEL)[1]
        for content in (photo, cleaned, made):
            self.needles.append(content[len(content) // 2 : len(content) // 2 + 30])
        user = person.user
        if user is None:
            return None
        may = self.may_send(person, provider)
        self.say(f"{person.pk} uploads for {provider} (may: {may})")
        before = set(PhotoJob.objects.values_list("pk", flat=True))
        files = self._file_names()

        def what() -> None:
            try:
                django_hili.enhance(
                    photo, operations=["repair"], subject=user, people_agreed=True,
                    provider=provider,
                )  # fmt: skip
            except PrivacyRefusedError:
                if self._file_names() - files:
                    self._wrong = "INV-01: a refused upload left a file"
                raise

        def after(died: bool) -> None:
            for job in PhotoJob.objects.exclude(pk__in=before):
                self.photos[job.pk] = {"source": cleaned, "result": made, "whose": person.pk}
                Far.jobs[hashlib.sha256(cleaned).hexdigest()] = str(job.pk)
                if job.result_kept:
                    self.promised[job.pk] = job.result_kept
                if not may or not self.may_send(person, provider):
                    self._late_wrong = "INV-01: taken in without consent"
                if not Media.objects.filter(job=job, kind=MediaKind.SOURCE).exists():
                    self._late_wrong = "INV-04: a job without a source"

        return what, after

    def _overlap(self) -> Any:
        """An upload that is under way while something else happens, at one of two points."""
        from django_hili.exceptions import HiliError
        from django_hili.media import intake, vault

        upload = self._upload()
        meanwhile = getattr(self, "_" + self.dice.choice(MEANWHILE))()
        module, name = self.dice.choice([(intake, "take_in"), (vault, "write")])
        if upload is None or meanwhile is None:
            return upload or meanwhile
        (what, after), (other, after_other) = upload, meanwhile
        self.say(f"the latter before {name} returns")
        real, ran = getattr(module, name), []

        def both(*words: Any, **options: Any) -> Any:
            done = real(*words, **options)
            with contextlib.suppress(HiliError):
                other()
                ran.append(name)
            return done

        def what_at_once() -> None:
            with mock.patch.object(module, name, both):
                what()

        def after_both(died: bool) -> None:
            after_other(died or not ran)
            after(died)

        return what_at_once, after_both

    def _choose_provider(self) -> str:
        chance = 0.8 if self.is_busy else 0.4 if self.is_remote else 0.1
        return "hili" if self.dice.random() < chance else "local"

    def _new_photo(self, noise: Callable[..., bytes]) -> bytes:
        from PIL import ExifTags, Image

        exif = Image.Exif()
        exif[ExifTags.Base.Make] = "CANARYCAMERA"
        photo = noise(self.dice, "JPEG", 24, exif=exif, comment=b"CANARYCOMMENT", quality=95)
        return photo + b"CANARYTRAILER"

    def _stop(self) -> Any:
        import django_hili

        return self._with_a_job(
            lambda job: django_hili.cancel(job_id=job.pk), "cancelled", ended=False
        )

    def _with_a_job(self, verb: Callable[[Any], Any], words: str, *, ended: bool | None) -> Any:
        from django_hili.models import PhotoJob

        jobs = PhotoJob.objects.order_by("pk")
        if ended is not None:
            jobs = jobs.filter(status="done") if ended else jobs.unfinished()
        if not (found := list(jobs)):
            return None
        job = self.dice.choice(found)
        self.say(f"{job.status} job {job.pk} is {words}")
        return lambda: verb(job), lambda died: None

    def _delete(self) -> Any:
        from django_hili.privacy.rights.exercise import delete_photos

        return self._with_a_job(
            lambda job: delete_photos(subject_ref=job.subject_ref, job_ids=[job.pk]),
            "deleted", ended=None,
        )  # fmt: skip

    def _download(self) -> Any:
        from django.test import Client

        def fetch(job: Any) -> None:
            for person in self.people:
                if (user := person.user) is None:
                    continue
                client = Client()
                client.force_login(user)
                answer = client.get(f"/hili/api/v1/jobs/{job.pk}/result/")
                body = answer.getvalue()
                photo = self.photos.get(job.pk, {})
                if photo.get("result") in (body, None) and body and answer.status_code == 200:
                    if photo and photo["whose"] != person.pk:
                        self._wrong = "INV-14: somebody else's photo"
                    if self.is_behind:
                        self._wrong = "INV-24: served before the replay"

        return self._with_a_job(fetch, "fetched", ended=True)

    def _longer(self) -> Any:
        from django_hili.models import Media
        from django_hili.privacy.consent.longer import keep_longer

        until = self.now + self.dice.choice([HOUR, 10 * DAY, 45 * DAY])

        def keep(job: Any) -> None:
            whose = self.photos.get(job.pk, {}).get("whose", self.people[0].pk)
            person = next(one for one in self.people if one.pk == whose)
            if (user := person.user) is not None and keep_longer(
                subject=user, job_id=job.pk, until=until
            ):
                if "longer" not in self.wants(person):
                    self._wrong = "INV-03: kept longer without consent"
                self.longer |= set(Media.objects.filter(job=job).values_list("pk", flat=True))

        found = self._with_a_job(keep, f"kept until {until:%d %b}", ended=True)
        if found is None:
            return None
        what, _ = found
        return what, lambda died: self.longer.update(self.deadlines) if died else None

    def _cancel_account(self) -> Any:
        from django_hili.models import Subject
        from django_hili.privacy.rights.exercise import cancel_account

        person = self._someone()
        subject = Subject.objects.filter(user_key=str(person.pk)).first()
        if subject is None:
            return None
        self.say(f"{person.pk} cancels the account")
        return (
            lambda: cancel_account(subject_ref=subject.ref),
            lambda died: self._remember(person, "cancel", "", died=died),
        )

    def _vanish(self) -> Any:
        from django.db import connection

        person = self._someone()
        self.say(f"{person.pk} is deleted behind our back")

        def what() -> None:
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM auth_user WHERE id = %s", [person.pk])

        def after(died: bool) -> None:
            self.is_unlooked = True
            person.vanished = self.step

        return what, after

    def _publish(self) -> Any:
        from django_hili.privacy.consent.policies import publish

        most = {"hili": 30 * DAY, "pixel": 30 * DAY, "miao": 7 * DAY}.get(self.profile, HOUR)
        kept = self.dice.choice([HOUR / 2, HOUR, 5 * DAY, 20 * DAY])
        self._privacy = {**self._privacy, "RESULT_KEPT": min(kept, most)}
        self._set_up_site()
        self.say(f"a policy: results {min(kept, most)}")
        return publish, lambda died: None

    def _sweep(self) -> Any:
        from django_hili.jobs.worker.upkeep import upkeep
        from django_hili.privacy.erasure.sweep import sweep, sweep_thoroughly

        self.say("a sweep")

        def what() -> None:
            upkeep(self.now)
            sweep_thoroughly(self.now)
            before = self._fingerprint()
            again = sweep(self.now)
            if again.erased or again.expired or self._fingerprint() != before:
                self._wrong = f"INV-22: a second sweep did something: {again}"

        return what, self._swept

    def _swept(self, died: bool, *, thoroughly: bool = True) -> None:
        if not died and not self.is_behind:
            self.is_unswept, self._swept_at = False, self.now
            self.is_unlooked = self.is_unlooked and not thoroughly

    def _fingerprint(self) -> Any:
        from django_hili.models import Chain, Media

        media = sorted(Media.objects.values_list("pk", "state", "expires_at"))
        return media, Chain.objects.the_one().number, self._file_names()

    def _wait(self) -> Any:
        leaps = [*LEAPS, *SHORT_LEAPS * 3] if self.is_busy else LEAPS
        leap, sweeping = self.dice.choice(leaps), self.dice.random() < 0.6
        if self._are_copies_pending() and self.dice.random() < 0.5:
            leap = dt.timedelta(minutes=90)  # past the vendor's own hour
        self.say(f"{leap} pass, {'with' if sweeping else 'without'} sweeps")
        self._pass(leap, sweeping=sweeping)
        return None

    def _pass(self, leap: dt.timedelta, *, sweeping: bool) -> None:
        from django_hili.jobs.worker import upkeep

        # Sweeps come every minute; what they renew, they renew in the second half of a lease.
        pause = self._settings().privacy.key_lease / 3 if sweeping else leap
        end = Clock.now + leap
        while Clock.now < end:
            Clock.now = min(end, Clock.now + pause)
            self._excuse_unrenewed()
            if sweeping:
                upkeep.upkeep(self.now)
                self._swept(False, thoroughly=self._has_looked())
        if not sweeping:
            self.is_unswept = True

    def _has_looked(self) -> bool:
        """Whether the last round of upkeep looked at everything there is."""
        from django_hili.models import Heartbeat

        last = Heartbeat.objects.last()
        return last is not None and last.looked_at == self.now

    def _excuse_unrenewed(self) -> None:
        """What no sweep has renewed for half a lease may close: told in the limits."""
        from django_hili.models import Case, Media

        if self.now - self._swept_at >= self._settings().privacy.key_lease / 2 - 2 * HOUR:
            closed = Media.objects.filter(key_bucket__lte=self.now)
            self.unreadable |= set(closed.values_list("pk", flat=True))
            closed = Case.objects.filter(key_bucket__lte=self.now)
            self.wordless |= set(closed.values_list("pk", flat=True))

    def _lose(self) -> Any:
        from django_hili.media.storages import photo_storage
        from django_hili.models import Media

        if not (rows := list(Media.objects.live().order_by("pk"))):
            return None
        row = self.dice.choice(rows)
        self.say(f"the storage loses {row.pk}")
        self.unreadable.add(row.pk)
        return lambda: photo_storage().delete(row.name), lambda died: None

    def _plant(self) -> Any:
        from django.core.files.base import ContentFile

        from django_hili.media.storages import photo_storage

        digits = self.dice.randbytes(16).hex()
        name = f"hili/{digits[:2]}/{digits}"
        self.say(f"a stray file {name}")
        self.strays.add(name)
        return lambda: photo_storage().save(name, ContentFile(b"stray")), lambda died: None

    def _export(self) -> Any:
        from django_hili.models import Case, Disclosure, Media, PhotoJob, Subject
        from django_hili.privacy.rights.export import export
        from tests.privacy.oracle import foreign_in

        person = self._someone()
        subject = Subject.objects.filter(user_key=str(person.pk)).first()
        if subject is None:
            return None
        others = {
            str(one)
            for keys in (
                Subject.objects.exclude(pk=subject.pk).values_list("pk", flat=True),
                PhotoJob.objects.exclude(subject_ref=subject.pk).values_list("pk", flat=True),
                Media.objects.exclude(job__subject_ref=subject.pk).values_list("pk", flat=True),
                Case.objects.exclude(subject_ref=subject.pk).values_list("pk", flat=True),
                Disclosure.objects.exclude(job__subject_ref=subject.pk).values_list(
                    "pk", flat=True
                ),
            )
            for one in keys
        }
        self.say(f"{person.pk} gets a copy")

        def what() -> None:
            if foreign := foreign_in(b"".join(export(subject_ref=subject.pk)), others):
                self._wrong = f"INV-26: {foreign} in an export"

        return what, lambda died: None

    def _anchor(self) -> Any:
        from django_hili.privacy.evidence.anchors import anchor

        def what() -> None:
            if line := anchor():
                self.anchors.append(line)

        return what, lambda died: None

    # Copies and what comes back with them.

    def _copy(self) -> Any:
        from django.conf import settings
        from django.db import connections

        from tests.privacy.oracle import handles_in, sealed_in

        self.say("a copy is made")
        connections.close_all()
        folder = settings.BASE_DIR / "copies" / str(self.step)
        folder.mkdir(parents=True)
        (settings.BASE_DIR / "photos").mkdir(exist_ok=True)
        shutil.copy(settings.DATABASES["default"]["NAME"], folder / "rows")
        shutil.copytree(settings.BASE_DIR / "photos", folder / "photos")
        lease = self._settings().privacy.key_lease
        sealed = sealed_in(folder / "rows")
        handles, requests = handles_in(folder / "rows"), self._remember_requests()
        self.copies.append(Copy(self.now, self.step, lease, folder, sealed, handles, requests))
        return None

    def _restore(self) -> Any:
        from django.conf import settings
        from django.db import connections

        from django_hili.media import keys, sink
        from django_hili.models import Case, Chain, Media
        from django_hili.privacy.evidence.receipts import copy_all

        if not self.copies:
            return None
        if not self.is_behind:
            copy_all()  # as a sweep does every minute; before that a receipt may be lost
        copy = self.dice.choice(self.copies)
        what = self.dice.choice(["both", "both", "rows", "files"])
        self.say(f"the copy of {copy.at:%d %b %H:%M} comes back: {what}")
        connections.close_all()
        if what != "files":
            shutil.copy(copy.folder / "rows", settings.DATABASES["default"]["NAME"])
            self._forget_since(copy)
            self.deadlines = {}
            self.requests = copy.requests
            self.requests = self._remember_requests()
        if what != "rows":
            shutil.rmtree(settings.BASE_DIR / "photos")
            shutil.copytree(copy.folder / "photos", settings.BASE_DIR / "photos")
        keys.forget_cached()
        sink.look_again()
        self.is_behind = Chain.objects.the_one().number < len(self.lines)
        self.is_unswept = self.is_unlooked = True
        rows = Media.objects.all()
        if what != "files":
            self.lost = set(self.seen) - set(rows.values_list("pk", flat=True))
        self.unreadable |= {
            row.pk for row in rows
            if not (settings.BASE_DIR / "photos" / row.name).exists()
            or (row.key_bucket and row.key_bucket <= self.now)
        }  # fmt: skip
        past = Case.objects.filter(key_bucket__lte=self.now)
        self.wordless |= set(past.values_list("pk", flat=True))
        self.strays |= self._unknown_files()
        self._excuse_unrenewed()
        return None

    def _forget_since(self, copy: Copy) -> None:
        for person in self.people:
            person.words = [
                word for word in person.words
                if word[0] <= copy.step or word[1] in {"withdraw", "cancel", "minor"}
            ]  # fmt: skip

    def _replay(self) -> Any:
        from django_hili.privacy.erasure.replay import replay

        self.say("the receipts are replayed")

        def after(died: bool) -> None:
            from django_hili.media import sink
            from django_hili.models import Chain

            sink.look_again()
            chain = Chain.objects.the_one()
            copied = sink.last_number(sink.sink_path(chain.origin))
            self.is_behind = copied > chain.number or chain.replay_from is not None
            if self.is_behind and not died:
                self._late_wrong = "INV-24: a replay does not end it"

        return replay, after

    def _file_names(self) -> set[str]:
        from django.conf import settings

        root = settings.BASE_DIR / "photos"
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    def _unknown_files(self) -> set[str]:
        from django_hili.models import Media

        return self._file_names() - set(Media.objects.values_list("name", flat=True))
