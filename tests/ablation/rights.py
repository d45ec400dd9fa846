"""Rights, incidents and assurance switched off: C29 to C35."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import zipfile
from typing import Any

from tests.ablation.switching import gives, replace, switch, yields_nothing

RIGHTS = "django_hili.privacy.rights.exercise"
CASES = "django_hili.privacy.rights.cases"
CLOCK = "django_hili.privacy.rights.clock"
INCIDENTS = "django_hili.privacy.rights.incidents"
AGES = dt.timedelta(days=36500)


def _nothing_deleted() -> Any:
    from django_hili.privacy.erasure.deletion import Deleted
    from django_hili.privacy.rights.exercise import Deletion

    return Deletion(deleted=Deleted(jobs=0, photos=0), pending=())


def _nothing_withdrawn() -> Any:
    from django_hili.privacy.rights.withdrawal import Withdrawal

    return Withdrawal(was_given=False, cancelled=0, photos=0)


@switch("C29", "what is held is not shown, a copy is empty, nothing is corrected, nobody verified")
def _access() -> None:
    from rest_framework.permissions import AllowAny

    from tests.ablation.switching import put

    def empty_copy(original: Any, **_: Any) -> Any:
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr("data.json", "{}")
            archive.writestr("manifest.json", "{}")
        return iter([whole.getvalue()])

    replace("django_hili.privacy.rights.holdings:held_about", gives({}))
    replace("django_hili.privacy.rights.export:export", empty_copy)
    replace(f"{RIGHTS}:correct", lambda original, **_: _nothing_withdrawn())
    replace("django_hili.privacy.consent.minors:check_guardian", gives())
    put("django_hili.api.rights:RightsView.permission_classes", [AllowAny])


@switch("C30", "deleting deletes nothing, and tells of no copy elsewhere")
def _deletion() -> None:
    replace(f"{RIGHTS}:delete_photos", lambda original, **_: _nothing_deleted())
    replace("django_hili.jobs.delete:delete_jobs", gives(0))
    replace(f"{RIGHTS}:pending_copies", gives(()))
    replace(f"{CASES}:check_answer", gives())


@switch("C31", "a consent that is taken back stands")
def _withdrawal() -> None:
    for name in ("withdraw_consent", "withdraw_everything"):
        where = f"django_hili.privacy.rights.withdrawal:{name}"
        replace(where, lambda original, **_: _nothing_withdrawn())
    replace("django_hili.privacy.consent.consents:record_withdrawal", gives(False))
    replace("django_hili.privacy.consent.asking:ask_send_all", gives({}))


@switch("C32", "a cancelled account stays as it was, and nobody misses a deleted user")
def _cancelling() -> None:
    replace(f"{RIGHTS}:cancel_account", lambda original, **_: _nothing_deleted())
    replace("django_hili.privacy.erasure.vanished:vanished_subjects", yields_nothing)
    replace("django_hili.privacy.erasure.vanished:cancel_user", gives(False))


@switch("C33", "requests have no clock, no door but anybody's, no listed ground and no way on")
def _requests() -> None:
    from rest_framework.permissions import AllowAny

    from tests.ablation.switching import put

    replace(f"{CLOCK}:due_at", lambda original, *, received_at, **_: received_at + AGES)
    replace(f"{CLOCK}:latest_due_at", lambda original, *, received_at: received_at + AGES)
    replace(f"{CLOCK}:text_deadline", lambda original, *, received_at, **_: received_at + AGES)
    replace(f"{CASES}:check_answer", gives())
    replace(f"{CASES}:_needs_verification", gives(False))
    replace(f"{CASES}:appeal_path", gives(""))
    replace("django_hili.privacy.rights.demands:_check", gives())
    replace("django_hili.checks:check_contact", gives([]))
    put("django_hili.api.rights:RightsView.permission_classes", [AllowAny])


@switch("C34", "an incident concerns nobody, lacks nothing, has no clock, and a drill tells people")
def _incidents() -> None:
    from django_hili.models import Incident
    from django_hili.privacy.rights.incidents import Affected

    nobody = Affected(subject_refs=frozenset(), user_keys=frozenset(), untraceable=0)
    replace(f"{INCIDENTS}:affected_by", gives(nobody))
    replace(f"{INCIDENTS}:what_is_missing", gives([]))
    replace(f"{INCIDENTS}:overdue", lambda original, now: Incident.objects.none())
    replace(f"{INCIDENTS}:_authority_within", gives(AGES))
    replace(f"{INCIDENTS}:_is_minor_or_drill", gives(False))
    replace("django_hili.privacy.rights.messages:deliver", lambda original, now: _none_delivered())


def _none_delivered() -> Any:
    from django_hili.privacy.rights.messages import DeliveryReport

    return DeliveryReport(**{field.name: 0 for field in dataclasses.fields(DeliveryReport)})


@switch("C35", "an audit finds nothing")
def _audit() -> None:
    def all_is_well(original: Any, **asked: Any) -> Any:
        report = original(**asked)
        answers = [dataclasses.replace(answer, count=0) for answer in report.answers]
        return dataclasses.replace(report, answers=answers)

    replace("django_hili.privacy.audit.check:audit", all_is_well)
    replace("django_hili.privacy.audit.datamap:unmapped", gives([]))
