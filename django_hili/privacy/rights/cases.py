"""Takes requests in, keeps their clock, and ends each with an answer that can be appealed.

Owns the steps received → verified → closed. A request costs nothing, is refused on a listed
ground only, and its answer says which ground and where to go next.
Clauses C33: HILI-6, HILI-7c, HILI-9, AIART-1.2.5, AIART-3.3b, AIART-5.1, AIART-5.5, AIART-5.6a,
AIART-7.3, AIART-9, PIXEL-1.1.2.4, PIXEL-3.4, PIXEL-6.5, PIXEL-7.4, PIXEL-9, MIAO-2.2b, MIAO-7.1,
MIAO-8.0, MIAO-8.2a, MIAO-11.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from typing import Final

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import (
    InvalidOptionsError,
    Problem,
    TooManyRequestsError,
    WrongStateError,
)
from django_hili.models import (
    Case,
    CaseKind,
    CaseOutcome,
    CaseState,
    ExtensionReason,
    RefusalGround,
    ScopeItem,
)
from django_hili.models.case import ALWAYS_GRANTED, OPEN
from django_hili.privacy.evidence.noting import note, noting
from django_hili.privacy.rights import casetext, clock

MAX_TEXT: Final = 4000
"""Characters that one request or answer may have."""
MAX_OPEN: Final = 10
"""Unanswered requests that one person may have; what is done at once never counts."""
ASKABLE: Final = (CaseKind.ACCESS, CaseKind.CORRECT, CaseKind.COMPLAIN, CaseKind.GUARDIAN)
"""Kinds that somebody answers. Whatever can be done at once has a verb of its own."""
WRITTEN: Final = frozenset({CaseKind.CORRECT, CaseKind.COMPLAIN, CaseKind.GUARDIAN})
"""Kinds that say nothing without words."""


def open_case(
    *, kind: CaseKind, subject_ref: uuid.UUID | None = None, text: str = "",
    is_verified: bool = False, now: dt.datetime | None = None,
) -> Case:  # fmt: skip
    """Take a request in. `is_verified` where the site's own login says who asks.

    Raises `InvalidOptionsError` for one without words that needs some, and
    `TooManyRequestsError` for the eleventh that waits.
    """
    _check_text(kind, text)
    if subject_ref is not None and kind not in ALWAYS_GRANTED:
        _check_number(subject_ref)
    return _insert(kind, subject_ref, text, is_verified=is_verified, now=now or timezone.now())


def ask(*, kind: CaseKind, subject_ref: uuid.UUID, text: str = "") -> Case:
    """Take in the request of somebody who has logged in.

    The login says who asks, but not whether they are somebody's guardian.
    """
    if kind not in ASKABLE:
        raise InvalidOptionsError(Problem("kind", Code.OPTION_INVALID))
    is_verified = kind != CaseKind.GUARDIAN
    return open_case(kind=kind, subject_ref=subject_ref, text=text, is_verified=is_verified)


def open_demand(
    *, document: str, scope: Collection[ScopeItem], scope_from: dt.datetime,
    scope_until: dt.datetime, subject_ref: uuid.UUID | None, text: str = "",
    now: dt.datetime | None = None,
) -> Case:  # fmt: skip
    """Take the demand of an authority in: with its document, and no wider than it says."""
    if not document.strip() or not scope or scope_from >= scope_until or subject_ref is None:
        raise InvalidOptionsError(Problem("document", Code.DEMAND_INCOMPLETE))
    return _insert(
        CaseKind.AUTHORITY, subject_ref, text, is_verified=False, now=now or timezone.now(),
        document=document.strip(), scope=sorted(ScopeItem(item).value for item in scope),
        scope_from=scope_from, scope_until=scope_until,
    )  # fmt: skip


def verify(*, case_id: uuid.UUID, now: dt.datetime | None = None) -> Case:
    """Note that it is known who asks; from here the shorter clock runs."""
    now = now or timezone.now()
    case = Case.objects.get(pk=case_id)
    with noting():
        moved = Case.objects.move(
            case_id, (CaseState.RECEIVED,), CaseState.VERIFIED, verified_at=now,
            due_at=min(case.due_at, clock.due_at(received_at=case.received_at, verified_at=now)),
        )  # fmt: skip
        if not moved:
            raise WrongStateError(Code.CASE_CHANGED)
        note("case_verified", case_id, case_kind=case.kind)
    return Case.objects.get(pk=case_id)


def extend(*, case_id: uuid.UUID, reason: ExtensionReason | str, until: dt.datetime) -> Case:
    """Give the answer more time, for a listed reason that the person is told.

    Raises `InvalidOptionsError` without one, and for a date that is no later than before or
    more than three months after receipt.
    """
    case = Case.objects.get(pk=case_id)
    check_extension(case, reason=reason, until=until)
    with noting():
        rows = Case.objects.filter(pk=case_id, state__in=OPEN, due_at=case.due_at)
        if not rows.update(due_at=until, extension=reason):
            raise WrongStateError(Code.CASE_CHANGED)
        note("case_extended", case_id, case_kind=case.kind, reason=str(reason))
    return Case.objects.get(pk=case_id)


def check_extension(case: Case, *, reason: ExtensionReason | str, until: dt.datetime) -> None:
    """Raise what `extend` would raise for this much more time; change nothing."""
    if reason not in ExtensionReason.values or not case.due_at < until <= latest_answer(case):
        raise InvalidOptionsError(Problem("extension", Code.EXTENSION_UNREASONED))


def latest_answer(case: Case) -> dt.datetime:
    """Return the moment to which the answer may be put off at most."""
    return clock.latest_due_at(received_at=case.received_at)


def close(
    *, case_id: uuid.UUID, outcome: CaseOutcome, text: str = "",
    ground: RefusalGround | str = "", now: dt.datetime | None = None,
) -> Case:  # fmt: skip
    """Answer a request for good. A refusal needs a listed ground, and some have but one.

    A request that is granted needs to be verified first; one may be refused because that was
    not possible.
    """
    now = now or timezone.now()
    case = Case.objects.get(pk=case_id)
    check_answer(case, outcome=outcome, ground=ground, text=text)
    deadline = clock.text_deadline(received_at=case.received_at, closed_at=now)
    sources = (CaseState.VERIFIED,) if _needs_verification(outcome, ground) else OPEN
    with noting():
        moved = Case.objects.move(
            case_id, sources, CaseState.CLOSED, outcome=outcome, ground=ground, closed_at=now,
            expires_at=deadline, **casetext.sealed(case, deadline, sealed_answer=text),
        )  # fmt: skip
        if not moved:
            raise WrongStateError(_why_not_closed(case_id))
        note("case_closed", case_id, case_kind=case.kind, outcome=str(outcome), ground=str(ground))
    return Case.objects.get(pk=case_id)


def check_answer(
    case: Case, *, outcome: CaseOutcome, ground: RefusalGround | str, text: str
) -> None:
    """Raise what `close` would raise for this answer to this case; change nothing."""
    _check_text(CaseKind.ACCESS, text)
    refuses = outcome in {CaseOutcome.REFUSED, CaseOutcome.PARTLY}
    if refuses != (ground in RefusalGround.values):
        raise InvalidOptionsError(Problem("ground", Code.GROUND_MISSING))
    if refuses and case.kind in ALWAYS_GRANTED and ground != RefusalGround.NOT_VERIFIED:
        raise InvalidOptionsError(Problem("ground", Code.GROUND_NOT_ALLOWED))
    if case.state == CaseState.RECEIVED and _needs_verification(outcome, ground):
        raise WrongStateError(Code.CASE_UNVERIFIED)


def supplement(*, case_id: uuid.UUID, subject_ref: uuid.UUID, text: str) -> Case:
    """Replace the words of one's own unanswered request."""
    case = Case.objects.of(subject_ref).get(pk=case_id)
    _check_text(CaseKind.CORRECT, text)
    rows = Case.objects.filter(pk=case_id, state__in=OPEN, key_bucket=case.key_bucket)
    if not rows.update(**casetext.sealed(case, case.expires_at, sealed_request=text)):
        raise WrongStateError(Code.CASE_CHANGED)
    return Case.objects.get(pk=case_id)


def request_text(case: Case) -> str:
    """Return what was written; empty once its time is over."""
    return casetext.opened(case, "sealed_request")


def answer_text(case: Case) -> str:
    """Return the whole answer of a closed case: outcome, ground, words, and where to appeal."""
    if case.state != CaseState.CLOSED:
        return ""
    parts = [str(CaseOutcome(case.outcome).label).capitalize()]
    if case.ground:
        parts.append(str(RefusalGround(case.ground).label))
    parts += [casetext.opened(case, "sealed_answer"), appeal_path()]
    return "\n\n".join(part for part in parts if part)


def appeal_path() -> str:
    """Say where somebody goes who disagrees with an answer."""
    contact = get_settings().privacy.contact
    text = _(
        "If you disagree, write to {contact}. You may also turn to the data protection authority "
        "or to a court at any time. None of this costs anything."
    )
    return text.format(contact=contact or _("the site's operator"))


def drop_expired(now: dt.datetime) -> int:
    """Delete answered cases past their deadline, and the words of others. Returns how many."""
    due = Case.objects.filter(expires_at__lte=now)
    dropped = due.filter(state=CaseState.CLOSED).delete()[0]
    wordy = due.filter(~Q(sealed_request=None) | ~Q(sealed_answer=None))
    return dropped + wordy.update(**casetext.GONE)


def _insert(
    kind: CaseKind, subject_ref: uuid.UUID | None, text: str, *, is_verified: bool,
    now: dt.datetime, **columns: object,
) -> Case:  # fmt: skip
    case = Case(kind=kind, subject_ref=subject_ref, received_at=now, **columns)
    case.expires_at = clock.text_deadline(received_at=now)
    for column, value in casetext.sealed(case, case.expires_at, sealed_request=text).items():
        setattr(case, column, value)
    if is_verified:
        case.state, case.verified_at = CaseState.VERIFIED, now
    case.due_at = clock.due_at(received_at=now, verified_at=case.verified_at)
    with noting():
        case.save(force_insert=True)
        note("case_received", case.pk, case_kind=kind.value)
    return case


def _check_text(kind: CaseKind, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise InvalidOptionsError(Problem("text", Code.TEXT_TOO_LONG, {"limit": MAX_TEXT}))
    if kind in WRITTEN and not text.strip():
        raise InvalidOptionsError(Problem("text", Code.TEXT_MISSING))


def _check_number(subject_ref: uuid.UUID) -> None:
    if Case.objects.of(subject_ref).open().count() >= MAX_OPEN:
        raise TooManyRequestsError(Code.REQUESTS_TOO_MANY)


def _needs_verification(outcome: CaseOutcome, ground: RefusalGround | str) -> bool:
    return outcome != CaseOutcome.DROPPED and ground != RefusalGround.NOT_VERIFIED


def _why_not_closed(case_id: uuid.UUID) -> Code:
    is_unverified = Case.objects.filter(pk=case_id, state=CaseState.RECEIVED).exists()
    return Code.CASE_UNVERIFIED if is_unverified else Code.CASE_CHANGED
