"""Answers an authority and a guardian: who asks is verified first, and no more goes out than that.

An authority gets what its document covers, of one person and one period, never a photo. A guardian
gets the child's copy, once the site's own verifier has said that they are the guardian.
Clauses C33: AIART-3.3b. C10, C29: AIART-3.1c, HILI-7c, AIART-7.3, PIXEL-7.4.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Final

from django_hili.codes import Code
from django_hili.exceptions import WrongStateError
from django_hili.models import AgeBand, Case, CaseKind, CaseState, Receipt, ScopeItem, Subject
from django_hili.privacy.consent.minors import check_guardian
from django_hili.privacy.evidence.noting import note, noting
from django_hili.privacy.rights.export import export
from django_hili.privacy.rights.holdings import Record, rows_about

TABLES: Final[Mapping[str, tuple[str, str]]] = {
    ScopeItem.JOBS: ("photojob", "created_at"),
    ScopeItem.STORED: ("media", "created_at"),
    ScopeItem.SENDS: ("disclosure", "intended_at"),
}
"""What each item of a scope reads, and by which moment it falls into the period."""


def answer_demand(*, case_id: uuid.UUID) -> dict[str, list[Record]]:
    """Return what a verified demand covers, and leave a receipt of it.

    Raises `WrongStateError` for a demand that is not verified, or is answered already.
    """
    case = Case.objects.get(pk=case_id)
    _check(case, CaseKind.AUTHORITY, Code.CASE_UNVERIFIED)
    answer = {item: _rows(case, item) for item in case.scope if item in TABLES}
    if ScopeItem.RECEIPTS in case.scope:
        answer[ScopeItem.RECEIPTS] = _receipts(case)
    with noting():
        count = sum(len(rows) for rows in answer.values())
        note("demand_answered", case_id, scope=",".join(case.scope), rows=count)
    return answer


def export_for_guardian(*, case_id: uuid.UUID, child: uuid.UUID, proof: str) -> Iterator[bytes]:
    """Return a child's copy for a guardian.

    Raises `WrongStateError` unless the case is verified and the person is a minor, and
    `PrivacyRefusedError` unless the site's verifier says that the proof holds.
    """
    _check(Case.objects.get(pk=case_id), CaseKind.GUARDIAN, Code.GUARDIAN_UNVERIFIED)
    subject = Subject.objects.filter(ref=child, age_band__in=[AgeBand.MINOR, AgeBand.CHILD])
    user_key = subject.values_list("user_key", flat=True).first()
    if not user_key:
        raise WrongStateError(Code.GUARDIAN_UNVERIFIED)
    check_guardian(user_key=user_key, proof=proof)
    return export(subject_ref=child)


def _check(case: Case, kind: CaseKind, code: Code) -> None:
    if case.kind != kind or case.state != CaseState.VERIFIED:
        raise WrongStateError(code)


def _rows(case: Case, item: str) -> list[Record]:
    table, moment = TABLES[item]
    rows = rows_about(table, case.subject_ref) if case.subject_ref else iter(())
    return [row for row in rows if case.scope_from <= row[moment] < case.scope_until]


def _receipts(case: Case) -> list[Record]:
    """The receipts of the erasures of this person's jobs, as far as anything still leads there."""
    jobs = rows_about("photojob", case.subject_ref) if case.subject_ref else iter(())
    ids = [str(row["id"]) for row in jobs]
    receipts = Receipt.objects.filter(kind="photo_deleted", object_id__in=ids)
    within = receipts.filter(at__gte=case.scope_from, at__lt=case.scope_until)
    rows = within.order_by("number").values("number", "at", "kind", "object_id", "facts")
    return [dict(row) for row in rows]
