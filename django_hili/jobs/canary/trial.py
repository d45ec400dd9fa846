"""One life from its upload to its last receipt. Owns its order, and what was stored in it.

The photo comes in by the site's own upload handler with a word in everything that a photo can
carry, is enhanced on this machine and erased with its person. Before that, words are planted in
every place that is looked at: a place where a plant is not found proves nothing. Whatever ends
this half-way, the sweep ends the rest: see `privacy.audit.synthetic`.
Clauses C35: HILI-5c, AIART-4.2.2, PIXEL-4.1b, MIAO-7.3c. C20: HILI-API-5, MIAO-2.1d.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db.models.signals import post_save
from django.utils import timezone

from django_hili.exceptions import HiliError
from django_hili.jobs.canary.enhancing import enhance
from django_hili.jobs.canary.lookout import Lookout
from django_hili.jobs.canary.luggage import Words, slices, uploaded
from django_hili.jobs.canary.report import CanaryReport
from django_hili.jobs.canary.site import (
    CannotBeTriedError,
    agree,
    alias_on_this_machine,
    check_the_site,
    wish_for,
)
from django_hili.jobs.queries import result_of
from django_hili.jobs.submit import basis_for, submit
from django_hili.media import sink, vault
from django_hili.models import Basis, CaseKind, Chain, JobStatus, Media, PhotoJob, Receipt
from django_hili.privacy.audit.residue.elsewhere import all_caches, logged, queues
from django_hili.privacy.audit.residue.files import (
    NamelessFiles,
    PhotoFiles,
    can_see_nameless,
    folders,
)
from django_hili.privacy.audit.residue.look import Place
from django_hili.privacy.audit.residue.rows import DatabaseFile, database_files, tables
from django_hili.privacy.audit.synthetic import end_nobody
from django_hili.privacy.consent.asking import ask_upload
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.erasure import stores
from django_hili.privacy.erasure.erase import RECEIPT, erase_condemned
from django_hili.privacy.rights.cases import open_case


def run_canary() -> CanaryReport:
    """Have nobody live through this site. Raises `CannotBeTriedError`; nothing is left then.

    Takes seconds, or as long as the site's worker needs for a photo of 320 × 320 pixels; five
    minutes at the most. Leaves receipts, and where no worker runs a wake-up without content.
    """
    began, started = timezone.now(), time.monotonic()
    check_the_site()
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


class _Trial:
    """One life. Owns its order."""

    def __init__(self, places: Sequence[Place], files: Sequence[DatabaseFile]) -> None:
        self.report = CanaryReport()
        self._words = Words()
        self._lookout = Lookout(self._words, places, files)
        self.report.places = self._lookout.reports
        self._objects: list[uuid.UUID] = []
        self._receipt = Chain.objects.the_one().number
        self._ref: uuid.UUID | None = None

    def run(self) -> CanaryReport:
        """Live, and be gone."""
        try:
            self._live()
        finally:
            self._die()
        # Receipts name what is gone with dashes; rows, files and anything else without.
        self._lookout.look_after([pk.hex.encode() for pk in self._objects])
        self._count_receipts()
        return self.report

    def _live(self) -> None:
        person, alias = self._words.person, alias_on_this_machine()
        basis = basis_for(None)
        if basis is Basis.CONSENT:
            agree(person)
        ask_upload(subject=person)
        self._ref = subject_ref_for(person)
        open_case(
            kind=CaseKind.COMPLAIN, subject_ref=self._ref, is_verified=True,
            text=self._words.request.decode(),
        )  # fmt: skip
        upload = uploaded(self._words)
        try:
            self._lookout.look_before()  # the upload is in its spool
            with _reserved(self._objects):
                job = submit(
                    upload, enhancement=wish_for(alias), provider=alias, subject=person,
                    basis=basis, reason=self._words.reason.decode(), people_agreed=True,
                )  # fmt: skip
        finally:
            upload.close()
        self._lookout.look_before()  # the source is there, unless a worker was very quick
        self._see_enhanced(job)
        self._lookout.look_before()  # the result is
        self._lookout.look_at_files()

    def _see_enhanced(self, job: PhotoJob) -> None:
        by = enhance(job)
        job.refresh_from_db()
        if job.status != JobStatus.DONE:
            self.report.job_code = job.code or job.status
            return
        self.report.enhanced_by = by
        result = result_of(job)
        self._objects.append(result.pk)
        self._words.pixels += slices(vault.read(result))

    def _die(self) -> None:
        if self._ref is None:
            return
        end_nobody(self._ref)
        # Whatever could not be deleted right after the commit is tried once more.
        erase_condemned(Media.objects.filter(pk__in=self._objects))
        stores.erase_elsewhere(timezone.now())

    def _count_receipts(self) -> None:
        chain = Chain.objects.the_one()
        copied = list(sink.read_lines(sink.sink_path(chain.origin), after=self._receipt))
        self.report.objects = len(self._objects)
        for pk in self._objects:
            rows = Receipt.objects.filter(kind=RECEIPT, object_id=str(pk)).count()
            lines = sum(f'"object":"{pk}"' in line for line in copied)
            self.report.receipts += rows == lines == 1


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
