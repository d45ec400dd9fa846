"""What a person is shown before they agree: one notice for each purpose, frozen with its version.

Owns the parts of a notice and its hash. The hash stands in every consent event, so that what
was agreed to can be shown again, word by word; changing any value changes the hash.
Clauses C03: HILI-0.2, HILI-8b, MIAO-0.2, PIXEL-1.1.7.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from django_hili.models import Purpose
from django_hili.privacy.consent.gate import key_of
from django_hili.profiles import Profile

_ITEMS: Mapping[str, list[str]] = {
    Purpose.ENHANCE: ["photo", "operations", "result"],
    Purpose.PROCESSOR: ["photo", "operations", "image_type"],
    Purpose.CROSS_BORDER: ["photo", "operations", "image_type"],
    Purpose.LONGER: ["result"],
    Purpose.OTHER_PEOPLE: ["photo"],
}
"""The kinds of data a purpose is about."""


def build_notices(
    *,
    number: int,
    profile: Profile,
    controller: str,
    contact: str,
    home_region: str,
    recipients: Iterable[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return every notice of a version, the necessary ones first."""
    outside = [
        who for who in recipients if profile.processors is None or who["name"] in profile.processors
    ]
    wanted: list[tuple[Purpose, Mapping[str, Any] | None]] = [
        (Purpose.ENHANCE, None), (Purpose.OTHER_PEOPLE, None),
    ]  # fmt: skip
    if profile.longer_by_consent:
        wanted.append((Purpose.LONGER, None))
    wanted += [(Purpose.PROCESSOR, who) for who in outside]
    wanted += [(Purpose.CROSS_BORDER, who) for who in (None, *outside)]
    common = {"version": number, "controller": controller, "contact": contact}
    return [
        _hashed({**common, **_notice(purpose, who, profile, home_region)})
        for purpose, who in wanted
    ]


def _notice(
    purpose: Purpose, who: Mapping[str, Any] | None, profile: Profile, home_region: str
) -> dict[str, Any]:
    name = str(who["name"]) if who else ""
    return {
        "key": key_of(purpose, name),
        "purpose": purpose.value,
        "processor": name,
        "is_necessary": purpose in {Purpose.ENHANCE, Purpose.OTHER_PEOPLE},
        "is_sensitive": True,
        "items": _ITEMS[purpose],
        "recipients": [name] if name else [],
        "recipient_contact": str(who.get("contact", "")) if who else "",
        "region": str(who["region"]) if who else home_region,
        "deadlines": {
            "source_after_end": profile.source_after_end.total_seconds(),
            "source_ceiling": profile.source_ceiling.total_seconds(),
            "result_kept": profile.result_kept.total_seconds() if profile.result_kept else None,
            "result_on_delivery": profile.result_on_delivery,
            "processor_copy": who["copy_kept_seconds"] if who else None,
            "job_kept": profile.job_kept.total_seconds(),
        },
        "guardian_below": profile.guardian_below,
    }


def _hashed(notice: dict[str, Any]) -> dict[str, Any]:
    return {**notice, "hash": canonical_hash(notice)}


def canonical_hash(value: Any) -> str:
    """Return the SHA-256 of a value as JSON in one fixed form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
