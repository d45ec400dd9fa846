"""Plays the life of somebody who does not exist, and looks everywhere for what they brought.

The photo comes in by the site's own upload handler with a word in everything that a photo can
carry, is enhanced on this machine and erased with its person. Before that, words are planted in
every place that is looked at: a place where a plant is not found proves nothing. Whatever ends
this half-way, the sweep ends the rest: see `privacy.audit.synthetic`.
Clauses C35: HILI-5c, AIART-4.2.2, PIXEL-4.1b, MIAO-7.3c. C20: HILI-API-5, MIAO-2.1d.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import secrets
import threading
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.db import connections
from django.db.models.signals import post_save
from django.http.multipartparser import MultiPartParser
from django.utils import timezone
from PIL import ExifTags, Image

from django_hili.conf import get_settings
from django_hili.exceptions import HiliError, InvalidOptionsError
from django_hili.jobs.pause import is_paused
from django_hili.jobs.queries import result_of
from django_hili.jobs.submit import basis_for, plan, submit
from django_hili.jobs.worker.run import Runner
from django_hili.media import sink, vault
from django_hili.media.uploads import SealedUploadHandler
from django_hili.models import (
    AgeBand,
    Basis,
    CaseKind,
    Chain,
    Heartbeat,
    JobStatus,
    Media,
    PhotoJob,
    PolicyVersion,
    Purpose,
    Receipt,
)
from django_hili.privacy.audit.residue.elsewhere import all_caches, logged, queues
from django_hili.privacy.audit.residue.files import (
    NamelessFiles,
    PhotoFiles,
    can_see_nameless,
    folders,
)
from django_hili.privacy.audit.residue.look import Look, Place, is_seen, look, new_word
from django_hili.privacy.audit.residue.rows import DatabaseFile, database_files, tables
from django_hili.privacy.audit.synthetic import Nobody, end_nobody
from django_hili.privacy.consent.asking import ask_upload
from django_hili.privacy.consent.consents import give_consent
from django_hili.privacy.consent.policies import version_in_force
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.erasure import stores
from django_hili.privacy.erasure.erase import RECEIPT, erase_condemned
from django_hili.privacy.erasure.winddown import refuse_if_ended
from django_hili.privacy.rights.cases import open_case
from django_hili.providers.base import DirectProvider
from django_hili.providers.registry import build_provider, capabilities_of, provider_aliases
from django_hili.vocabulary import Enhancement

STORED: Final = 2
"""Photos that a life leaves in the storage for a while: a source and a result."""
_SIDE: Final = 320
_SLICE: Final = 32
"""Bytes of a photo that stand nowhere else."""
_WISHES: Final[Sequence[dict[str, Any]]] = (
    {"operations": ["repair"]}, {"operations": ["sr"], "scale": 2}, {"operations": ["colour"]},
)  # fmt: skip
_WORKER_HAS: Final = 20.0
"""Seconds that a worker of the site has to take the photo up, where one seems to run."""
_LONGEST: Final = dt.timedelta(minutes=5)


class CannotBeTriedError(Exception):
    """The site is not in a state in which anybody could have a photo enhanced on this machine."""


@dataclass(slots=True)
class PlaceReport:
    """What was seen in one place."""

    name: str
    is_seen: bool
    """Whether every word planted there was found, and none after it was taken out."""
    bytes_read: int = 0
    """In all looks but those at plants."""
    found_before: int = 0
    """Words that stood there while the photo did, and must not have."""
    found_after: int = 0
    """Words that stood there once everything was erased."""

    @property
    def is_clean(self) -> bool:
        """Whether the place can be seen and held nothing."""
        return self.is_seen and not self.found_before and not self.found_after


@dataclass(slots=True)
class CanaryReport:
    """What a synthetic life came to."""

    places: list[PlaceReport] = field(default_factory=list)
    not_looked_at: list[str] = field(default_factory=list)
    """Places of a kind that cannot be listed."""
    enhanced_by: str = ""
    """`worker` or `here`; empty where there was no result."""
    job_code: str = ""
    """Why there was none."""
    objects: int = 0
    """Stored photos that were to be erased."""
    receipts: int = 0
    """Of these, how many have exactly one receipt, in the database and in its copy."""
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether everything was seen, nothing is left and all of it is proved."""
        return (
            all(place.is_clean for place in self.places)
            and bool(self.enhanced_by)
            and self.is_proved
        )

    @property
    def is_proved(self) -> bool:
        """Whether source and result have their receipts."""
        return self.receipts == self.objects == STORED


@dataclass(slots=True)
class _Words:
    """What the person brings, and what is written down about them meanwhile."""

    file_name: bytes = field(default_factory=new_word)
    camera: bytes = field(default_factory=new_word)
    comment: bytes = field(default_factory=new_word)
    xmp: bytes = field(default_factory=new_word)
    trailer: bytes = field(default_factory=new_word)
    request: bytes = field(default_factory=new_word)
    """What they write; it lies sealed."""
    reason: bytes = field(default_factory=new_word)
    """A word of the site's that its rows hold until they go."""
    person: Nobody = field(default_factory=Nobody)
    pixels: list[bytes] = field(default_factory=list)

    @property
    def never(self) -> Collection[bytes]:
        """What must not lie open anywhere at any time."""
        return [
            self.file_name, self.camera, self.comment, self.xmp, self.trailer, self.request,
            *self.pixels,
        ]  # fmt: skip

    @property
    def a_while(self) -> Collection[bytes]:
        """What stands in rows until they go."""
        return [self.reason, self.person.pk.encode()]


class _Trial:
    """One life. Owns its order."""

    def __init__(self, places: Sequence[Place], files: Sequence[DatabaseFile]) -> None:
        self.report = CanaryReport()
        self._words = _Words()
        self._places = list(places)
        self._files = list(files)
        self._reports = {
            place.name: PlaceReport(place.name, is_seen(place)) for place in self._places
        } | {file.name: PlaceReport(file.name, is_seen=False) for file in self._files}
        self.report.places = list(self._reports.values())
        self._objects: list[uuid.UUID] = []
        self._receipt = Chain.objects.the_one().number
        self._ref: uuid.UUID | None = None

    def run(self) -> CanaryReport:
        """Live, and be gone."""
        try:
            self._live()
        finally:
            self._die()
        self._look_after()
        self._count_receipts()
        return self.report

    def _live(self) -> None:
        person, alias = self._words.person, _alias_on_this_machine()
        basis = basis_for(None)
        if basis is Basis.CONSENT:
            _agree(person)
        ask_upload(subject=person)
        self._ref = subject_ref_for(person)
        open_case(
            kind=CaseKind.COMPLAIN, subject_ref=self._ref, is_verified=True,
            text=self._words.request.decode(),
        )  # fmt: skip
        upload = _uploaded(self._words)
        try:
            self._look_before()  # the upload is in its spool
            with _reserved(self._objects):
                job = submit(
                    upload, enhancement=_wish_for(alias), provider=alias, subject=person,
                    basis=basis, reason=self._words.reason.decode(), people_agreed=True,
                )  # fmt: skip
        finally:
            upload.close()
        self._look_before()  # the source is there, unless a worker was very quick
        self._see_enhanced(job)
        self._look_before()  # the result is
        self._look_at_files()

    def _see_enhanced(self, job: PhotoJob) -> None:
        by = _enhance(job)
        job.refresh_from_db()
        if job.status != JobStatus.DONE:
            self.report.job_code = job.code or job.status
            return
        self.report.enhanced_by = by
        result = result_of(job)
        self._objects.append(result.pk)
        self._words.pixels += _slices(vault.read(result))

    def _die(self) -> None:
        if self._ref is None:
            return
        end_nobody(self._ref)
        # Whatever could not be deleted right after the commit is tried once more.
        erase_condemned(Media.objects.filter(pk__in=self._objects))
        stores.erase_elsewhere(timezone.now())

    def _look_before(self) -> None:
        for place, seen in self._look(self._places, self._words.never):
            # Where the site has photos lie open, they are to be found as long as they live.
            is_open = isinstance(place, PhotoFiles) and not get_settings().vault.encrypt
            found = seen.found - set(self._words.pixels) if is_open else seen.found
            self._reports[place.name].found_before += len(found)

    def _look_at_files(self) -> None:
        """Look for what stands in a row just now: who finds that sees every page."""
        witness = self._words.person.pk.encode()
        for place, seen in self._look(self._files, [witness, *self._words.never]):
            self._reports[place.name].is_seen = witness in seen.found
            self._reports[place.name].found_before += len(seen.found - {witness})

    def _look_after(self) -> None:
        # Receipts name what is gone with dashes; rows, files and anything else without.
        ids = [pk.hex.encode() for pk in self._objects]
        words = [*self._words.never, *self._words.a_while, *ids]
        for place, seen in self._look(self._places, words):
            self._reports[place.name].found_after += len(seen.found)
        # A free page may keep what stood in a deleted row; nothing of a photo ever did.
        for place, seen in self._look(self._files, self._words.never):
            self._reports[place.name].found_after += len(seen.found)

    def _look(
        self, places: Sequence[Place] | Sequence[DatabaseFile], words: Collection[bytes]
    ) -> Iterator[tuple[Any, Look]]:
        for place in places:
            seen = look(place.pieces(), words)
            self._reports[place.name].bytes_read += seen.bytes_read
            yield place, seen

    def _count_receipts(self) -> None:
        chain = Chain.objects.the_one()
        copied = list(sink.read_lines(sink.sink_path(chain.origin), after=self._receipt))
        self.report.objects = len(self._objects)
        for pk in self._objects:
            rows = Receipt.objects.filter(kind=RECEIPT, object_id=str(pk)).count()
            lines = sum(f'"object":"{pk}"' in line for line in copied)
            self.report.receipts += rows == lines == 1


def run_canary() -> CanaryReport:
    """Have nobody live through this site. Raises `CannotBeTriedError`; nothing is left then.

    Takes seconds, or as long as the site's worker needs for a photo of 320 × 320 pixels; five
    minutes at the most. Leaves receipts, and where no worker runs a wake-up without content.
    """
    began, started = timezone.now(), time.monotonic()
    _check_the_site()
    with ExitStack() as stack:
        log = stack.enter_context(logged())
        cached = list(all_caches())
        places: list[Place] = [
            *tables(), *queues(), PhotoFiles(), *folders(began - dt.timedelta(seconds=2)),
            *(cache for cache in cached if cache.is_open), log,
        ]  # fmt: skip
        if can_see_nameless():
            places.append(NamelessFiles())
        try:
            report = _Trial(places, list(database_files())).run()
        except HiliError as error:
            raise CannotBeTriedError(f"The trial was refused: {error}") from error
    report.not_looked_at = [cache.name for cache in cached if not cache.is_open]
    if not can_see_nameless():
        report.not_looked_at.append(NamelessFiles.name)
    report.seconds = round(time.monotonic() - started, 1)
    return report


def _check_the_site() -> None:
    """Raise `CannotBeTriedError` where the trial would change something, or could not end well."""
    alias = _alias_on_this_machine()
    if is_paused(alias):
        raise CannotBeTriedError(f"The provider {alias!r} is paused: resume it first.")
    if basis_for(None) is Basis.CONSENT and not PolicyVersion.objects.exists():
        raise CannotBeTriedError("No policy is published, so nobody can agree: publish it first.")
    try:
        _wish_for(alias)
        sink.refuse_if_behind()
        refuse_if_ended()
    except HiliError as error:
        raise CannotBeTriedError(str(error)) from error


def _alias_on_this_machine() -> str:
    """Return a provider that sends nothing anywhere; the trial must cost nothing."""
    for alias in sorted(
        provider_aliases(), key=lambda name: name != get_settings().default_provider
    ):
        is_here = not capabilities_of(alias).leaves_server
        if is_here and isinstance(build_provider(alias), DirectProvider):
            return alias
    raise CannotBeTriedError(
        "No provider works on this machine, and a trial is never sent to another company: "
        'add {"local": {"BACKEND": "django_hili.providers.local.LocalProvider"}} to '
        'HILI["PROVIDERS"].'
    )


def _wish_for(alias: str) -> Enhancement:
    for wish in _WISHES:
        try:
            return plan(provider=alias, **wish)
        except InvalidOptionsError as error:
            last = error
    raise last


def _agree(person: Nobody) -> None:
    """Agree to what the policy in force asks of everybody, and to no other company."""
    version = version_in_force()
    for notice in version.notices:
        is_core = notice["purpose"] in {Purpose.ENHANCE, Purpose.CROSS_BORDER}
        if is_core and not notice["processor"]:
            give_consent(
                subject=person, version=version.number, notice=notice["hash"],
                purpose=notice["purpose"], age_band=AgeBand.ADULT,
            )  # fmt: skip


def _uploaded(words: _Words) -> Any:
    """Send a photo through the site's own upload handler, large enough to be spooled."""
    photo = _photo(words)
    words.pixels = _slices(photo)
    enough = settings.FILE_UPLOAD_MAX_MEMORY_SIZE + 64 * 1024
    room = min(enough, get_settings().limits.max_bytes) - len(photo)
    content = photo + words.trailer * (1 + max(room - len(words.trailer), 0) // len(words.trailer))
    border = secrets.token_hex(16)
    head = (
        f'--{border}\r\nContent-Disposition: form-data; name="photo"; '
        f'filename="{words.file_name.decode()}.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    body = head.encode() + content + f"\r\n--{border}--\r\n".encode()
    asked = {
        "CONTENT_TYPE": f"multipart/form-data; boundary={border}", "CONTENT_LENGTH": len(body)
    }  # fmt: skip
    handler = SealedUploadHandler(for_our_view=True)
    return MultiPartParser(asked, io.BytesIO(body), [handler]).parse()[1]["photo"]


def _photo(words: _Words) -> bytes:
    """Return a picture like no other, with a word in every place that a JPEG has for one."""
    picture = Image.frombytes("RGB", (_SIDE, _SIDE), secrets.token_bytes(3 * _SIDE * _SIDE))
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = words.camera.decode()
    exif.get_ifd(ExifTags.IFD.GPSInfo)[27] = words.camera
    file = io.BytesIO()
    picture.save(
        file, "JPEG", quality=90, exif=exif, comment=words.comment,
        xmp=b"<x:xmpmeta>" + words.xmp + b"</x:xmpmeta>",
    )  # fmt: skip
    return file.getvalue()


def _slices(photo: bytes) -> list[bytes]:
    """Return bytes out of the middle of a photo, which only the photo has."""
    return [photo[len(photo) * part // 4 :][:_SLICE] for part in (2, 3)]


@contextmanager
def _reserved(objects: list[uuid.UUID]) -> Iterator[None]:
    """Note which stored photos this thread makes."""
    thread = threading.get_ident()

    def note(instance: Media, *, created: bool = False, **_: Any) -> None:
        if created and threading.get_ident() == thread:
            objects.append(instance.pk)

    post_save.connect(note, sender=Media)
    try:
        yield
    finally:
        post_save.disconnect(note, sender=Media)


def _enhance(job: PhotoJob) -> str:
    """Leave the photo to a worker of the site where one runs; else work on it here. Say which."""
    if _seems_to_run():
        end = time.monotonic() + _WORKER_HAS
        waiting = PhotoJob.objects.filter(pk=job.pk, status=JobStatus.QUEUED)
        while time.monotonic() < end and waiting.exists():
            time.sleep(0.2)
    runner = Runner(until_idle=True, only=[job.pk], time_cap=_LONGEST)
    connections.close_all()
    report = asyncio.run(runner.run())
    return "here" if report.done else "worker"


def _seems_to_run() -> bool:
    last = Heartbeat.objects.last()
    interval = get_settings().worker.sweep_interval
    return last is not None and last.began_at > timezone.now() - 2 * interval
