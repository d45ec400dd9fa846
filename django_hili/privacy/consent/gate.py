"""The gate: one pure function that says whether something may happen to a photo, and if not why.

Knows neither a database nor a clock nor a setting: whoever asks brings every fact along. A
refusal names the clauses that refuse. Asked at the first uploaded byte, when a job is made,
right before a photo leaves, when it is read and when it is exported.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from django_hili.codes import Code
from django_hili.models import AgeBand, Basis, Purpose
from django_hili.profiles import ChangeKind, Profile

CONSENT_FIRST: Final = ("AIART-0.1", "HILI-1.2a", "MIAO-0.3", "PIXEL-0.1")
CLOSED_PURPOSES: Final = ("AIART-1.2", "HILI-1.5", "MIAO-2.2e", "PIXEL-1.1.5")
OTHER_BASES: Final = (
    "AIART-1.2.9", "HILI-1.6", "HILI-3.4", "MIAO-3", "PIXEL-1.1.6", "PIXEL-5.4",
)  # fmt: skip
PROCESSOR_CONSENT: Final = ("AIART-3.1a", "HILI-3.1.1a", "MIAO-6.1a", "MIAO-6.1d", "PIXEL-5.1a")
GUARDIANS_ONLY: Final = ("MIAO-9.2", "PIXEL-7.2")
BOUND_PROCESSORS: Final = ("AIART-3.1d", "HILI-3.1.1c", "MIAO-6.1a", "PIXEL-5.1d")
OTHER_PEOPLE: Final = ("AIART-1.2.3b", "MIAO-2.2d")
LONGER: Final = ("AIART-4.1a", "HILI-4.2", "MIAO-5.2", "PIXEL-4.4a")
OWNER_ONLY: Final = ("AIART-3.3a", "HILI-3.3", "MIAO-6.3", "PIXEL-5.3")

YOUNGEST: Final = {AgeBand.ADULT: 18, AgeBand.MINOR: 14, AgeBand.CHILD: 0, AgeBand.UNKNOWN: 0}
"""How young somebody in a band can be."""


class Stage(StrEnum):
    """When the gate is asked."""

    UPLOAD = "upload"
    ENQUEUE = "enqueue"
    SEND = "send"
    READ = "read"
    EXPORT = "export"


@dataclass(frozen=True, slots=True)
class Given:
    """A person's last word on one purpose and processor."""

    purpose: str
    processor: str
    is_grant: bool
    by_guardian: bool
    policy_number: int


@dataclass(frozen=True, slots=True)
class Version:
    """What the gate has to know of a published version."""

    number: int
    profile: Profile
    change_kinds: frozenset[ChangeKind]
    notice_keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who would work on the photo."""

    name: str
    region: str
    leaves_server: bool
    is_bound: bool = True
    """Whether an agreement binds them and somebody has assessed them of late."""


@dataclass(frozen=True, slots=True)
class Person:
    """What the gate has to know of the person the photo belongs to."""

    ref: uuid.UUID
    age_band: AgeBand
    region: str
    """Empty: where the site is."""
    consents: tuple[Given, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """On what ground somebody asks."""

    basis: Basis = Basis.CONSENT
    reason: str = ""
    by_operator: bool = False
    people_agreed: bool = False
    """That everybody shown has agreed, attested with this upload."""


@dataclass(frozen=True, slots=True)
class Question:
    """Everything a decision rests on."""

    stage: Stage
    profile: Profile
    """The site's effective profile of now."""
    current: int
    """The number of the version in force."""
    versions: Mapping[int, Version]
    person: Person | None = None
    purpose: str = Purpose.ENHANCE
    recipient: Recipient | None = None
    claim: Claim = field(default_factory=Claim)
    home: str = ""
    store_regions: frozenset[str] = frozenset()
    """Where this site's own parts lie, as far as that is declared."""
    reader: uuid.UUID | None = None

    @property
    def bound(self) -> Profile:
        """What holds for this person: the stricter of today's values and those they agreed to.

        So a version that takes something away changes nothing for whoever has not agreed to
        it. Clauses C06: HILI-8a, MIAO-10.1.
        """
        core = self.word(Purpose.ENHANCE)
        agreed = self.versions.get(core.policy_number) if core else None
        return self.profile & agreed.profile if agreed else self.profile

    def word(self, purpose: str, processor: str = "") -> Given | None:
        """Return the person's last word, if there is one."""
        for given in self.person.consents if self.person else ():
            if (given.purpose, given.processor) == (purpose, processor):
                return given
        return None


@dataclass(frozen=True, slots=True)
class Permit:
    """It may happen, under these values."""

    basis: Basis
    policy_number: int
    profile: Profile


@dataclass(frozen=True, slots=True)
class Refusal:
    """It may not happen."""

    code: Code
    clauses: tuple[str, ...]
    missing: tuple[str, ...] = ()
    """The keys of the notices somebody would have to agree to."""


def decide(question: Question) -> Permit | Refusal:
    """Say whether it may happen. A pure function."""
    if question.purpose not in set(Purpose):
        return Refusal(Code.PURPOSE_UNKNOWN, CLOSED_PURPOSES)
    if question.stage in {Stage.READ, Stage.EXPORT}:
        refusal = _may_see(question)
    elif question.claim.basis is Basis.NO_PERSONAL_DATA:
        refusal = None
    else:
        refusal = next(_refusals(question), None)
    if refusal is not None:
        return refusal
    basis = question.claim.basis
    agreed = question.word(Purpose.ENHANCE) if basis is Basis.CONSENT else None
    number = agreed.policy_number if agreed else question.current
    return Permit(basis, number, question.bound)


def key_of(purpose: str, processor: str = "") -> str:
    """Return the key under which a version lists the notice of a purpose."""
    return f"{purpose}:{processor}" if processor else str(purpose)


def _refusals(question: Question) -> Iterator[Refusal]:
    """Yield what stands against it, the gravest first."""
    yield from _basis(question)
    yield from _age(question)
    yield from _processor(question)
    yield from _consents(question)
    yield from _other_people(question)


def _basis(question: Question) -> Iterator[Refusal]:
    claim = question.claim
    if claim.basis is Basis.ATTESTATION:
        if not (claim.by_operator and claim.reason.strip()):
            yield Refusal(Code.BASIS_MISSING, OTHER_BASES)
    elif question.person is None:
        yield Refusal(Code.BASIS_MISSING, CONSENT_FIRST)


def _age(question: Question) -> Iterator[Refusal]:
    """Below the age a guardian speaks, and nobody else. Clauses C10: HILI-7a, AIART-7.1.

    Clauses C10: PIXEL-7.1, PIXEL-7.2, MIAO-9.1, MIAO-9.2.
    """
    person, profile = question.person, question.bound
    if person is None:
        return
    clauses = tuple(sorted({*profile.clauses("guardian_below"), *GUARDIANS_ONLY}))
    if person.age_band is AgeBand.UNKNOWN:
        if question.claim.basis is Basis.CONSENT:
            yield Refusal(Code.AGE_NEEDED, clauses, (key_of(Purpose.ENHANCE),))
        return
    if _needs_guardian(person, profile):
        core = question.word(Purpose.ENHANCE)
        if core is None or not (core.is_grant and core.by_guardian):
            yield Refusal(Code.GUARDIAN_NEEDED, clauses, (key_of(Purpose.ENHANCE),))


def _processor(question: Question) -> Iterator[Refusal]:
    """Only whom the profile allows. Clauses C11: AIART-F3, HILI-3.1.1a, PIXEL-7.2."""
    recipient, profile = question.recipient, question.bound
    if recipient is None or not recipient.leaves_server:
        return
    if profile.processors is not None and recipient.name not in profile.processors:
        yield Refusal(Code.PROCESSOR_NOT_ALLOWED, profile.clauses("processors"))
    if not recipient.is_bound:
        yield Refusal(Code.PROCESSOR_NOT_ASSESSED, BOUND_PROCESSORS)
    person = question.person
    if (
        person is not None
        and YOUNGEST[person.age_band] < profile.sensitive_below
        and (person.age_band is not AgeBand.UNKNOWN)
    ):
        yield Refusal(Code.CHILD_STAYS_HERE, profile.clauses("sensitive_below"))


def _consents(question: Question) -> Iterator[Refusal]:
    """Every consent that is needed and not there, in one refusal."""
    if question.claim.basis is not Basis.CONSENT:
        return
    needed = dict(_needed(question))
    lacking = {key: clauses for key, clauses in needed.items() if not _holds(question, key)}
    if not lacking:
        return
    clauses = {clause for group in lacking.values() for clause in group}
    if any(question.word(*_split(key)) is not None for key in lacking):
        clauses.update(question.bound.clauses("reconsent"))
    shown = question.versions[question.current].notice_keys
    code = Code.CONSENT_NEEDED if set(lacking) <= shown else Code.POLICY_OUTDATED
    yield Refusal(code, tuple(sorted(clauses)), tuple(lacking))


def _needed(question: Question) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each consent that is needed with the clauses that demand it.

    Clauses C02: HILI-0.1, HILI-0.2, MIAO-0.3, AIART-3.1a: each purpose and processor by itself.
    Clauses C15: HILI-4.1, AIART-4.1c, PIXEL-3.2, MIAO-5.1, MIAO-7.8: other regions too.
    """
    yield key_of(Purpose.ENHANCE), CONSENT_FIRST
    if question.purpose == Purpose.LONGER:
        yield key_of(Purpose.LONGER), LONGER
    allowed, clauses = _regions(question)
    if not question.store_regions <= allowed:
        yield key_of(Purpose.CROSS_BORDER), clauses
    recipient = question.recipient
    if recipient is not None and recipient.leaves_server:
        yield key_of(Purpose.PROCESSOR, recipient.name), PROCESSOR_CONSENT
        if recipient.region not in allowed:
            yield key_of(Purpose.CROSS_BORDER, recipient.name), clauses


def _regions(question: Question) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return where this person's data may be without a further consent, and what says so."""
    own = (question.person.region if question.person else "") or question.home
    name = "regions_in_china" if own == "CN" else "regions_elsewhere"
    words: frozenset[str] = getattr(question.bound, name)
    allowed = frozenset(question.home if word == "home" else word for word in words)
    return allowed, question.bound.clauses(name)


def _holds(question: Question, key: str) -> bool:
    """Whether a consent was given, by who may give it, and no change since asks again.

    Clauses C06: HILI-1.5, HILI-3.2, AIART-3.2, AIART-8, PIXEL-5.2, PIXEL-8.5a, PIXEL-8.5b.
    Clauses C06: MIAO-6.2, MIAO-10.1, MIAO-10.2.
    """
    given = question.word(*_split(key))
    if given is None or not given.is_grant:
        return False
    person = question.person
    if person is not None and _needs_guardian(person, question.bound) and not given.by_guardian:
        return False
    agreed = question.versions.get(given.policy_number)
    if agreed is None:
        return False
    asks_again = question.bound.reconsent | agreed.profile.reconsent
    changed = {
        kind
        for number, version in question.versions.items()
        if given.policy_number < number <= question.current
        for kind in version.change_kinds
    }
    return not changed & asks_again


def _other_people(question: Question) -> Iterator[Refusal]:
    """Whoever uploads attests for everybody shown. Clauses C07: AIART-1.2.3b, MIAO-2.2d."""
    is_asked = question.stage is Stage.ENQUEUE and question.claim.basis is Basis.CONSENT
    if is_asked and not question.claim.people_agreed:
        yield Refusal(Code.PEOPLE_NOT_AGREED, OTHER_PEOPLE, (key_of(Purpose.OTHER_PEOPLE),))


def _may_see(question: Question) -> Refusal | None:
    """Only the owner, or an operator who says why. Clauses C14: HILI-3.3, AIART-3.3a, MIAO-6.3."""
    claim, person = question.claim, question.person
    if person is not None and question.reader == person.ref:
        return None
    if claim.by_operator and claim.reason.strip():
        return None
    return Refusal(Code.PHOTO_NOT_YOURS, OWNER_ONLY)


def _needs_guardian(person: Person, profile: Profile) -> bool:
    return YOUNGEST[person.age_band] < profile.guardian_below


def _split(key: str) -> tuple[str, str]:
    purpose, _, processor = key.partition(":")
    return purpose, processor
