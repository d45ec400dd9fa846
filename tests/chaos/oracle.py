"""The outside oracle: the vendor's own ledger × the job table × the files on disk.

It knows nothing of how a worker works, only what must be true when all is over: nothing lost,
nothing charged twice, no file without a row, no row without its file, nobody stuck.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from django_hili.jobs.worker.upkeep import upkeep
from django_hili.media import vault
from django_hili.models import (
    Disclosure,
    HeldReason,
    JobStatus,
    Media,
    MediaKind,
    MediaState,
    PhotoJob,
    SendState,
)
from django_hili.privacy.erasure.sweep import sweep_orphan_files
from django_hili.sandbox.server import Sandbox
from tests import people

ENDED_OR_HELD = {JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.HELD}


@dataclass
class Findings:
    """What was wrong, and what is worth a figure."""

    jobs: int = 0
    done: int = 0
    failed: int = 0
    held: int = 0
    charged: int = 0
    strays: int = 0
    """Files of workers that were overtaken, and killed before they could take them away: the
    hourly look does, as `judge_afterwards` holds."""
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.jobs} photos: {self.done} done, {self.held} held in doubt, {self.failed} failed"
            f" as they had to; {self.charged} charged; {self.strays} files for the hourly look;"
            f" wrong: {len(self.wrong)}"
        )


class Oracle:
    """Remembers every photo handed in, and judges what became of them."""

    def __init__(self, vendor: Sandbox, *, by_download: bool = False) -> None:
        self.vendor = vendor
        self.by_download = by_download
        self.job_of: dict[str, UUID] = {}

    def hand_in(self, user: Any, photo: bytes) -> UUID:
        """Hand a photo in as a site would; remember it by what will be seen of it outside."""
        job = people.enhance(photo, operations=["repair"], subject=user, provider="hili")
        source = Media.objects.get(job_id=job.pk, kind=MediaKind.SOURCE)
        fingerprint = hashlib.sha256(vault.read(source)).hexdigest()
        assert fingerprint not in self.job_of, "two photos alike cannot be told apart"
        self.job_of[fingerprint] = job.pk
        return job.pk

    def charges(self) -> Counter[UUID]:
        """What the vendor took for each job. A photo nobody handed in is an error at once."""
        taken: Counter[UUID] = Counter()
        photo_of: dict[str, UUID] = {}
        for entry in self.vendor.control.ledger():
            if entry["event"] in {"accepted", "again"}:
                photo_of[entry["mdf"]] = self.job_of[entry["sha256"]]
            if entry["credits"]:
                taken[photo_of[entry["mdf"]]] += entry["credits"]
        return taken

    def judge(self, *, may_fail: bool = False) -> Findings:
        """Say what became of every photo. `may_fail` where the vendor gave reason to."""
        found = Findings(jobs=len(self.job_of))
        taken = self.charges()
        found.charged = sum(taken.values())
        for job_id in self.job_of.values():
            self._judge_job(job_id, taken[job_id], found, may_fail=may_fail)
        self._judge_files(found)
        return found

    def _judge_job(self, job_id: UUID, taken: int, found: Findings, *, may_fail: bool) -> None:
        job = PhotoJob.objects.filter(pk=job_id).first()
        if job is None:
            found.wrong.append(f"lost: {job_id} has no row")
            return
        if taken > 1:
            found.wrong.append(f"charged twice: {job_id} {taken} times, now {job.status}")
        if job.status not in ENDED_OR_HELD:
            found.wrong.append(f"stuck: {job_id} {job.status} after {job.attempts} attempts")
        rows = Disclosure.objects.filter(job_id=job_id)
        sends = list(rows.values_list("charged", flat=True))
        sure, unsure = sends.count(True), sends.count(None)
        # Where results are charged, the ledger of sends has no part in it.
        if not self.by_download and not sure <= taken <= sure + unsure:
            found.wrong.append(f"books: {job_id} took {taken}, ledger says {sends}, {job.status}")
        if job.status == JobStatus.DONE:
            found.done += 1
            live = Media.objects.live().filter(job_id=job_id, kind=MediaKind.RESULT)
            if [vault.read(media)[:2] for media in live] != [b"\xff\xd8"]:
                found.wrong.append(f"lost: {job_id} is done and has {live.count()} results")
        elif job.status == JobStatus.HELD:
            found.held += 1
            doubts = rows.filter(state__in=[SendState.UNKNOWN, SendState.RECONCILED])
            if job.held_reason != HeldReason.SEND_UNKNOWN or not doubts.exists():
                found.wrong.append(f"held for nothing: {job_id} {job.held_reason} {sends}")
        elif job.status == JobStatus.FAILED:
            found.failed += 1
            if not may_fail:
                found.wrong.append(f"lost: {job_id} failed with {job.code}")

    def orphans(self) -> set[str]:
        """The files that no row knows."""
        return files() - set(Media.objects.values_list("name", flat=True))

    def _judge_files(self, found: Findings) -> None:
        found.strays = len(self.orphans())
        on_disk = files()
        rows = dict(Media.objects.values_list("name", "state"))
        for name in sorted(set(rows) - on_disk):
            if rows[name] == MediaState.LIVE:
                found.wrong.append(f"missing file: {name}")

    def judge_afterwards(self, found: Findings) -> None:
        """Two hours on, when every deadline of what was left behind has passed."""
        later = timezone.now() + timedelta(hours=2)
        upkeep(later)
        sweep_orphan_files(later)
        results = Media.objects.live().filter(kind=MediaKind.RESULT)
        if files() != set(results.values_list("name", flat=True)):
            found.wrong.append("files besides the results outlive their deadline")
        if Media.objects.exclude(pk__in=results).exists():
            found.wrong.append("rows besides the results outlive their deadline")


def files() -> set[str]:
    """Every file in the photo storage, by its name there."""
    root = Path(settings.BASE_DIR) / "photos"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
