"""What must hold at every moment, each as a question that counts where it does not.

Owns the questions. They read rows, the storage and the key store, and write nothing. What is
only just past its time is left to the next sweep.
Clauses C35: HILI-5c, AIART-4.2.2, PIXEL-4.1b, MIAO-7.3c.
"""

from __future__ import annotations

import datetime as dt
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.utils import timezone

from django_hili import queue
from django_hili.conf import get_settings
from django_hili.exceptions import StorageError
from django_hili.media import sink
from django_hili.media.keystore import key_store
from django_hili.media.sealing import PLAIN
from django_hili.media.storages import photo_storage
from django_hili.media.vault import ROOT
from django_hili.models import (
    Basis,
    Case,
    CaseState,
    Consent,
    ConsentAction,
    Disclosure,
    Erasure,
    GivenBy,
    Handover,
    IdempotencyKey,
    Media,
    MediaKind,
    MediaState,
    Message,
    MessageKind,
    MessageState,
    PhotoBatch,
    PhotoJob,
    Purpose,
    Receipt,
    Subject,
    VendorCopy,
)
from django_hili.models.job import ENDED
from django_hili.privacy.audit.datamap import unmapped
from django_hili.privacy.consent.answers import under_age
from django_hili.privacy.consent.processors import processors
from django_hili.privacy.consent.residency import residency_problems
from django_hili.privacy.erasure import stores
from django_hili.privacy.erasure.orphans import places
from django_hili.privacy.erasure.sweep import ORPHAN_GRACE
from django_hili.privacy.erasure.vanished import vanished_subjects
from django_hili.privacy.evidence.anchors import kept_anchors
from django_hili.privacy.evidence.receipts import verify_all
from django_hili.privacy.rights import incidents
from django_hili.privacy.rights.access import is_review_due
from django_hili.providers.registry import build_provider, provider_aliases

GRACE: Final = dt.timedelta(minutes=5)
"""How long after its time something may still be there: a few sweeps."""
PROBE_DELAY: Final = dt.timedelta(minutes=30)
"""How long after the vendor's own deadline it may be open what became of its copy."""

Question = Callable[[dt.datetime], int]


@dataclass(frozen=True, slots=True)
class Invariant:
    """Something that holds at every moment."""

    id: str
    """INV-05, or the control whose standing duty it is."""
    sentence: str
    """What holds."""
    count: Question
    """How often it does not."""
    remedy: str
    """What to do then."""


def _late(now: dt.datetime) -> dt.datetime:
    return now - GRACE - get_settings().worker.sweep_interval


def photos_without_a_consent(now: dt.datetime) -> int:
    """Count live photos that rest on a consent which is not there, or was taken back."""
    del now
    last = (
        Consent.objects.filter(
            subject_ref=OuterRef("job__subject_ref"), purpose=Purpose.ENHANCE, processor=""
        )
        .order_by("-pk")
        .values("action")[:1]
    )
    resting = Media.objects.live().filter(job__basis=Basis.CONSENT, job__subject_ref__isnull=False)
    said = resting.annotate(word=Subquery(last))
    return said.filter(Q(word=None) | ~Q(word=ConsentAction.GRANT)).count()


def handles_without_deadline(now: dt.datetime) -> int:
    """Count vendor's handles that no deadline takes away.

    While its job is under way a handle of a vendor that promises nothing is needed, and ends with
    the job.
    """
    handles = Disclosure.objects.exclude(handle="").filter(vendor_due_at=None)
    jobs = PhotoJob.objects.filter(pk=OuterRef("job_id"))
    under_way = jobs.filter(~Q(status__in=ENDED) | Q(ended_at__gt=_late(now)))
    return handles.filter(~Exists(under_way)).count()


def unreadable_too_early(now: dt.datetime) -> int:
    """Count live photos whose file or key is gone before their deadline."""
    live = Media.objects.live().filter(expires_at__gt=now)
    hours = set(key_store().list())
    by_hour = live.exclude(format_number=PLAIN).values("key_bucket").annotate(number=Count("pk"))
    lost_keys: int = sum(
        row["number"]
        for row in by_hour
        if row["key_bucket"] is None or row["key_bucket"] <= now or row["key_bucket"] not in hours
    )
    lost_files = 0
    for alias in live.order_by().values_list("storage", flat=True).distinct():
        files = {name for folder in _folders(alias) for name in folder}
        names = live.filter(storage=alias).values_list("name", flat=True).iterator()
        lost_files += sum(name not in files for name in names)
    return lost_keys + lost_files


def sources_after_their_job(now: dt.datetime) -> int:
    """Count readable sources whose job has ended, or that are past the ceiling."""
    sources = Media.objects.live().filter(kind=MediaKind.SOURCE)
    ended = PhotoJob.objects.filter(pk=OuterRef("job_id"), status__in=ENDED)
    ceiling = get_settings().privacy.source_ceiling
    return sources.filter(Exists(ended) | Q(created_at__lte=_late(now) - ceiling)).count()


def files_without_row(now: dt.datetime) -> int:
    """Count files that no row knows, but for those a worker may just be writing."""
    found = 0
    for alias in places():
        for files in _folders(alias):
            known = set(Media.objects.filter(name__in=files).values_list("name", flat=True))
            found += sum(_is_old(alias, name, now) for name in files - known)
    return found


def plain_photos(now: dt.datetime) -> int:
    """Count photos that lie open although the site seals them."""
    del now
    if not get_settings().vault.encrypt:
        return 0
    return Media.objects.filter(format_number=PLAIN).exclude(state=MediaState.CONDEMNED).count()


def words_in_the_queue(now: dt.datetime) -> int:
    """Count tasks of ours that carry or returned anything."""
    del now
    return queue.tasks_with_content()


def places_outside(now: dt.datetime) -> int:
    """Count stores and processors that lie where the profile does not let them."""
    del now
    return sum(1 for _ in residency_problems())


def photos_of_unapproved_minors(now: dt.datetime) -> int:
    """Count live photos of people under age for whom no guardian has agreed."""
    del now
    last = (
        Consent.objects.filter(subject_ref=OuterRef("pk"), purpose=Purpose.ENHANCE, processor="")
        .order_by("-pk")
        .values("pk")[:1]
    )
    minors = Subject.objects.filter(age_band__in=under_age())
    approved = Consent.objects.filter(
        pk__in=minors.values(last=last),
        action=ConsentAction.GRANT,
        given_by=GivenBy.GUARDIAN,
    )
    refs = minors.exclude(pk__in=approved.values("subject_ref")).values("pk")
    return Media.objects.live().filter(job__subject_ref__in=refs).count()


def fields_without_map(now: dt.datetime) -> int:
    """Count fields the data map does not know."""
    del now
    return len(unmapped())


def keys_of_condemned(now: dt.datetime) -> int:
    """Count condemned photos that still have a key."""
    del now
    condemned = Media.objects.filter(state=MediaState.CONDEMNED)
    return condemned.filter(wrapped_key__isnull=False).count()


def rows_of_the_erased(now: dt.datetime) -> int:
    """Count photos that have a row although a receipt says that they are gone."""
    del now
    erased = set(
        Receipt.objects.filter(kind="erased").values_list("object_id", flat=True).iterator()
    )
    return sum(str(pk) in erased for pk in Media.objects.values_list("pk", flat=True).iterator())


def vendor_copies_in_the_dark(now: dt.datetime) -> int:
    """Count sends whose vendor copy is past its time without an outcome, or final with a handle."""
    sends = Disclosure.objects.all()
    pending = sends.filter(outcome=VendorCopy.PENDING, vendor_due_at__lte=_late(now) - PROBE_DELAY)
    settled = sends.exclude(outcome=VendorCopy.PENDING).exclude(handle="")
    return pending.count() + settled.count()


def breaks_in_the_chain(now: dt.datetime) -> int:
    """Count what is wrong with the receipts: a broken chain, or two for one photo."""
    del now
    problem, _ = verify_all(kept_anchors())
    erased = Receipt.objects.filter(kind="erased").values("object_id")
    twice = erased.annotate(number=Count("pk")).filter(number__gt=1).count()
    return twice + (problem is not None)


def keys_past_their_hour(now: dt.datetime) -> int:
    """Count wrapping keys that should have been destroyed."""
    return sum(hour <= _late(now) for hour in key_store().list())


def database_older_than_receipts(now: dt.datetime) -> int:
    """Whether the database was put back from an older copy and nothing has been replayed yet."""
    del now
    sink.look_again()
    try:
        sink.refuse_if_behind()
    except StorageError:
        return 1
    return 0


def people_who_are_gone(now: dt.datetime) -> int:
    """Count links to users that are gone, photos and messages of people who have been cut off."""
    severed = Subject.objects.filter(pk=OuterRef("job__subject_ref"), user_key__isnull=False)
    owned = Media.objects.live().filter(job__subject_ref__isnull=False)
    photos = owned.filter(~Exists(severed)).count()
    return sum(1 for _ in vanished_subjects(now)) + photos + _messages_to_nobody()


def _messages_to_nobody() -> int:
    """Count messages that name a user without need: settled, or to somebody who has cancelled."""
    naming = Message.objects.exclude(user_key=None)
    linked = Subject.objects.filter(user_key=OuterRef("user_key"))
    # Of the end of the service people are told when nothing else leads to them any more.
    cut_off = Q(kind=MessageKind.INCIDENT) & ~Exists(linked)
    return naming.filter(cut_off | ~Q(state=MessageState.QUEUED)).count()


def past_their_deadline(now: dt.datetime) -> int:
    """Count photos, words, links, rows and erasures elsewhere that should be gone."""
    late = _late(now)
    past = Q(expires_at__lte=late)
    stored = Media.objects.filter(job_id=OuterRef("pk"))
    members = PhotoJob.objects.filter(batch_id=OuterRef("pk"))
    wordy = ~Q(sealed_request=None) | ~Q(sealed_answer=None)
    overdue = (
        Media.objects.filter(past | Q(condemned_at__lte=late)),
        PhotoJob.objects.filter(~Exists(stored), past),
        PhotoBatch.objects.filter(~Exists(members), past),
        Case.objects.filter(past).filter(Q(state=CaseState.CLOSED) | wordy),
        Handover.objects.filter(past),
        Message.objects.filter(past),
        Disclosure.objects.filter(past),
        Erasure.objects.filter(decided_at__lte=late),
        IdempotencyKey.objects.all().past(late),
    )
    return sum(rows.count() for rows in overdue)


def stores_that_are_gone(now: dt.datetime) -> int:
    """Count erasures that wait for stores of the site nobody registers any more."""
    del now
    return sum(stores.waiting_for_nobody().values())


def overdue_cases(now: dt.datetime) -> int:
    """Count requests and incidents whose clock has run out."""
    return Case.objects.overdue(now).count() + incidents.overdue(now).count()


def reviews_overdue(now: dt.datetime) -> int:
    """Whether nobody has looked at who may see photos for too long."""
    return int(is_review_due(now))


def companies_not_bound(now: dt.datetime) -> int:
    """Count companies in the settings that nothing binds, or that nobody has assessed of late."""
    return sum(not entry.is_bound(timezone.localdate(now)) for entry in processors())


def unsafe_providers(now: dt.datetime) -> int:
    """Count what providers themselves call unsafe about their set-up: plain http, a sandbox."""
    del now
    return sum(len(build_provider(alias).cautions()) for alias in provider_aliases())


INVARIANTS: Final = (
    Invariant("INV-01", "No photo without a consent, or another ground that was named.",
              photos_without_a_consent, "Erase them: hili_privacy erase --subject."),
    Invariant("INV-03", "Every photo and every vendor's handle has a deadline.",
              handles_without_deadline, "Look at the sends without one."),
    Invariant("INV-04", "What is not past its deadline can be read.",
              unreadable_too_early, "See whether storage and key store are the right ones."),
    Invariant("INV-05", "No source outlives its job or the ceiling.",
              sources_after_their_job, "Start a worker: its sweep ends them."),
    Invariant("INV-06", "Every file has a row.",
              files_without_row, "Start a worker: it looks for them once an hour."),
    Invariant("INV-07", "No photo lies open.",
              plain_photos, "They were stored before sealing was on; they go at their deadlines."),
    Invariant("INV-08", "Tasks carry and return nothing.",
              words_in_the_queue, "Delete those tasks; nothing of ours makes them."),
    Invariant("INV-11", "Stores and processors lie in allowed regions.",
              places_outside, "Run manage.py check: it names them."),
    Invariant("INV-13", "No photo of somebody under age without a guardian.",
              photos_of_unapproved_minors, "Set the age band again: that condemns them."),
    Invariant("INV-14", "Every field is in the data map.",
              fields_without_map, "Add it to privacy/audit/datamap.py."),
    Invariant("INV-16", "What is condemned has no key.",
              keys_of_condemned, "Start a worker: its sweep goes on."),
    Invariant("INV-17", "What a receipt calls erased has no row.",
              rows_of_the_erased, "Run hili_privacy replay."),
    Invariant("INV-19", "It is known what became of each vendor's copy.",
              vendor_copies_in_the_dark, "Start a worker: it asks the vendor."),
    Invariant("INV-20", "The receipts are whole, and one for each erased photo.",
              breaks_in_the_chain, "Compare them with the copy outside the database."),
    Invariant("INV-23", "No wrapping key is there past its hour.",
              keys_past_their_hour, "Start a worker: its sweep destroys them."),
    Invariant("INV-24", "The database is as new as its receipts.",
              database_older_than_receipts, "Run hili_privacy replay."),
    Invariant("INV-25", "Nothing is left of people who are gone.",
              people_who_are_gone, "Start a worker: its sweep cancels them."),
    Invariant("INV-27", "Nothing is there past its deadline.",
              past_their_deadline, "Start a worker: its sweep erases it."),
    Invariant("INV-28", "Every request is answered and every incident told in time.",
              overdue_cases, "Answer them, or extend them with a reason."),
    Invariant("C12", "Every company that gets photos is bound and has been assessed.",
              companies_not_bound, "See docs/reference/checks.md#e010."),
    Invariant("C22", "Every store of the site that has to erase something is there to be asked.",
              stores_that_are_gone, "Register it again, or run hili_privacy give-up."),
    Invariant("C24", "No provider is spoken to in a way that others can read.",
              unsafe_providers, "Run hili_doctor: it names them."),
    Invariant("C26", "Somebody has looked at who may see photos within ninety days.",
              reviews_overdue, "Run hili_privacy access."),
)  # fmt: skip
"""What can be seen at rest. The others are held by tests: see docs/explanation/invariants.md."""


def _folders(alias: str) -> Iterator[set[str]]:
    """Yield the names of the files in each of our folders of one storage."""
    storage = photo_storage(alias)
    try:
        folders, _ = storage.listdir(ROOT)
    except FileNotFoundError:
        return
    for folder in folders:
        path = posixpath.join(ROOT, folder)
        yield {posixpath.join(path, name) for name in storage.listdir(path)[1]}


def _is_old(alias: str, name: str, now: dt.datetime) -> bool:
    storage = photo_storage(alias)
    try:
        return storage.get_modified_time(name) < now - 2 * ORPHAN_GRACE
    except FileNotFoundError:
        return False
