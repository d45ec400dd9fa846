"""Publishes versions of the policy and finds the one in force. Owns what a version is made of.

Values, texts and notices come from the settings of the moment of publication and are frozen then.
Until something is published there is a draft, number 1, that is shown like any version; the first
consent publishes it, so that reading and refusing write nothing.
Clauses C05: HILI-8b, AIART-8, PIXEL-0.2, PIXEL-8.5b, MIAO-10.2, MIAO-10.3, MIAO-12.
Clauses C06: HILI-8a, HILI-3.2, AIART-3.2, PIXEL-5.2, MIAO-6.2, MIAO-10.1.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from django.db import IntegrityError, router, transaction
from django.utils import timezone

from django_hili.conf import get_settings
from django_hili.models import PolicyVersion
from django_hili.privacy.consent.gate import Version
from django_hili.privacy.consent.notices import build_notices, canonical_hash
from django_hili.privacy.consent.processors import processors
from django_hili.privacy.consent.wording import AUTHORITATIVE, policy_texts
from django_hili.privacy.evidence.noting import note
from django_hili.profiles import ChangeKind, Profile, find_profile, from_parameters
from django_hili.signals import policy_published


def version_in_force(now: dt.datetime | None = None) -> PolicyVersion:
    """Return the version in force, or the draft of the first one where none is published."""
    now = now or timezone.now()
    return PolicyVersion.objects.in_force(now) or draft(number=1, now=now)


def next_number() -> int:
    """Return the number that the next published version gets; drafts use none up."""
    newest = PolicyVersion.objects.order_by("-number").values_list("number", flat=True).first()
    return (newest or 0) + 1


def publish(
    *,
    change_kinds: Collection[ChangeKind | str] = (),
    effective_at: dt.datetime | None = None,
    now: dt.datetime | None = None,
) -> PolicyVersion:
    """Publish the settings of now as the next version, and tell the site.

    What the values themselves show is added to `change_kinds`: a new controller, contact or
    recipient, and whatever is looser than before. The latter reduces rights, and so never
    applies to anybody who has not agreed to it.
    """
    now = now or timezone.now()
    database = router.db_for_write(PolicyVersion)
    with transaction.atomic(using=database):
        last = PolicyVersion.objects.order_by("-number").first()
        version = draft(number=next_number(), now=now)
        version.effective_at = max(effective_at or now, last.effective_at if last else now)
        if last is not None:
            version.reduces_rights = not profile_of(version) <= profile_of(last)
            found = {ChangeKind(kind) for kind in change_kinds} | _changes(last, version)
            version.change_kinds = sorted(kind.value for kind in found)
        version.save(using=database)
        note(
            "policy_published", str(version.number), profile=version.profile,
            number=version.number, digest=version.text_hash,
        )  # fmt: skip
        transaction.on_commit(
            lambda: policy_published.send_robust(sender=PolicyVersion, version=version),
            using=database,
            robust=True,
        )
    return version


def ensure_published(now: dt.datetime) -> PolicyVersion:
    """Return the version in force; publish the draft where there is none yet."""
    found = PolicyVersion.objects.in_force(now)
    if found is not None:
        return found
    try:
        return publish(now=now)
    except IntegrityError:  # somebody else was first
        return version_in_force(now)


def draft(*, number: int, now: dt.datetime) -> PolicyVersion:
    """Return the version the settings would make now. Nothing is written."""
    privacy = get_settings().privacy
    host = {
        "controller": privacy.controller,
        "contact": privacy.contact,
        "home_region": privacy.home_region,
    }
    allowed = privacy.effective.processors
    recipients = [
        processor.as_parameters()
        for processor in processors()
        if allowed is None or processor.name in allowed
    ]
    version = PolicyVersion(
        number=number,
        profile=privacy.profile,
        parameters=privacy.effective.as_parameters(),
        recipients=recipients,
        notices=build_notices(
            number=number, profile=privacy.effective, recipients=recipients, **host
        ),
        texts=policy_texts(profile=privacy.effective, recipients=recipients, **host),
        authoritative_language=AUTHORITATIVE,
        updated_at=now,
        effective_at=now,
        **host,
    )
    version.text_hash = hash_of(version)
    return version


def hash_of(version: PolicyVersion) -> str:
    """Return the hash over everything a version says."""
    names = (
        "number", "profile", "parameters", "controller", "contact", "home_region", "recipients",
        "notices", "texts", "authoritative_language",
    )  # fmt: skip
    return canonical_hash({name: getattr(version, name) for name in names})


def profile_of(version: PolicyVersion) -> Profile:
    """Return a version's values, with the clauses they rest on."""
    grounds = find_profile(version.profile).grounds
    return from_parameters(version.profile, version.parameters, grounds=grounds)


def gate_versions(current: PolicyVersion) -> Mapping[int, Version]:
    """Return every version as the gate knows it, up to the one in force."""
    columns = ("number", "profile", "parameters", "change_kinds", "notices")
    rows = PolicyVersion.objects.filter(number__lt=current.number).only(*columns)
    return {row.number: _for_gate(row) for row in (*rows, current)}


def differs_from_settings(version: PolicyVersion) -> bool:
    """Whether a new version published now would say something else."""
    fresh = draft(number=version.number, now=version.updated_at)
    return fresh.text_hash != version.text_hash


def _for_gate(version: PolicyVersion) -> Version:
    return Version(
        number=version.number,
        profile=profile_of(version),
        change_kinds=frozenset(ChangeKind(kind) for kind in version.change_kinds),
        notice_keys=frozenset(version.notice_hashes),
    )


def _changes(before: PolicyVersion, after: PolicyVersion) -> set[ChangeKind]:
    """Return the kinds of change the values themselves show."""
    found: set[ChangeKind] = set()
    if before.controller != after.controller:
        found.add(ChangeKind.CONTROLLER)
    if before.contact != after.contact or _moved(before.recipients, after.recipients):
        found.add(ChangeKind.CONTACT)
    if _names(after.recipients) - _names(before.recipients):
        found.add(ChangeKind.RECIPIENTS)
    if before.home_region != after.home_region or after.reduces_rights:
        found.add(ChangeKind.RIGHTS)
    return found


def _moved(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> bool:
    """Whether a company that was named before is to be reached elsewhere now."""
    known = {who["name"]: who.get("contact", "") for who in before}
    return any(who.get("contact", "") != known.get(who["name"], who["contact"]) for who in after)


def _names(recipients: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(who["name"], who["region"]) for who in recipients}
