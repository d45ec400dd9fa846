"""What a person has to agree to before a photo is enhanced, and the record that they did.

Asks django-hili's gate what is missing and shows the policy's own sentences; decides nothing. A
consent is recorded for a ticked box and nothing else, under the version that was on the page, and
only once the gate has said that with these consents the photo will be taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import PrivacyRefusedError
from django_hili.models import AgeBand, PolicyVersion, Purpose
from django_hili.privacy.consent.asking import ask_enqueue, person_of, stranger
from django_hili.privacy.consent.consents import give_consent
from django_hili.privacy.consent.gate import Claim, Given, Person
from django_hili.privacy.consent.policies import version_in_force
from django_hili.privacy.consent.subjects import known_subject_ref
from django_hili.privacy.consent.wording import best_language, notice_sentences

AGES = [
    (AgeBand.ADULT.value, _("18 or older")),
    (AgeBand.MINOR.value, _("14 to 17")),
    (AgeBand.CHILD.value, _("under 14")),
]


OPTIONAL = frozenset({Purpose.PROCESSOR, Purpose.CROSS_BORDER})
"""Purposes to which somebody may say no; here no photo can be enhanced then."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to agree to, by itself."""

    key: str
    purpose: str
    processor: str
    hash: str
    sentences: tuple[str, ...]

    @property
    def is_optional(self) -> bool:
        """Whether the notice itself says so."""
        return self.purpose in OPTIONAL


class AgreementMixin(forms.Form):
    """Adds a box for every consent that is missing, and one that everybody shown has agreed."""

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user
        version = version_in_force()
        person = _person(user)
        self.refusal = _refusal(_with_an_age(person))
        """Why no photo of this person is taken now, whatever they agree to; or what they lack."""
        self.notices = {
            f"agree_{n}": notice for n, notice in enumerate(_missing(self.refusal, version))
        }
        self.fields["version"] = forms.IntegerField(
            initial=version.number, widget=forms.HiddenInput
        )
        if person.age_band is AgeBand.UNKNOWN:
            label = _("Your age")
            self.fields["age"] = forms.ChoiceField(
                label=label, choices=AGES, widget=forms.RadioSelect
            )
        for name, notice in self.notices.items():
            self.fields[name] = forms.BooleanField(
                label=notice.sentences[0], required=not notice.is_optional
            )
        people = _notice(version, str(Purpose.OTHER_PEOPLE))
        self.fields["people_agreed"] = forms.BooleanField(label=people.sentences[0])

    @property
    def consents(self) -> list[tuple[Any, tuple[str, ...]]]:
        """Return each box with the sentences that belong to it."""
        return [(self[name], notice.sentences[1:]) for name, notice in self.notices.items()]

    @property
    def obstacle(self) -> str:
        """Return the sentence for what no box on this page can change, or nothing."""
        if self.refusal is None or self.refusal.code == Code.CONSENT_NEEDED:
            return ""
        return self.refusal.sentence

    @property
    def needs_guardian(self) -> bool:
        """Whether somebody else has to agree first."""
        refused = self.refusal is not None and self.refusal.code == Code.GUARDIAN_NEEDED
        return refused or (
            self.is_bound and self.has_error(NON_FIELD_ERRORS, Code.GUARDIAN_NEEDED.value)
        )

    def clean(self) -> dict[str, Any]:
        """Ask the gate before anything is written down, as if the ticked boxes were recorded."""
        words: dict[str, Any] = super().clean() or {}
        for name, notice in self.notices.items():
            if notice.is_optional and not words.get(name):
                text = _("Without this your photo cannot be enhanced here; nothing is sent.")
                self.add_error(name, ValidationError(text, code="left_out"))
        refusal = _refusal(self._person_after(words))
        told_by_the_boxes = {Code.AGE_NEEDED, Code.CONSENT_NEEDED, Code.PEOPLE_NOT_AGREED}
        if refusal is not None and not (self.errors and refusal.code in told_by_the_boxes):
            self.add_error(None, ValidationError(refusal.sentence, code=refusal.code.value))
        return words

    def record_consents(self) -> None:
        """Write down what was agreed to. Raises `PrivacyRefusedError` if the policy has changed."""
        for notice in self.notices.values():
            give_consent(
                subject=self._user,
                version=self.cleaned_data["version"],
                notice=notice.hash,
                purpose=notice.purpose,
                processor=notice.processor,
                age_band=self.cleaned_data.get("age"),
            )

    def _person_after(self, words: dict[str, Any]) -> Person:
        person = _person(self._user)
        given = tuple(
            Given(notice.purpose, notice.processor, is_grant=True, by_guardian=False,
                  policy_number=words.get("version") or 0)
            for name, notice in self.notices.items() if words.get(name)
        )  # fmt: skip
        age = AgeBand(words["age"]) if words.get("age") else person.age_band
        return replace(person, age_band=age, consents=given + person.consents)


def _person(user: Any) -> Person:
    return person_of(known_subject_ref(user))[0] or stranger()


def _with_an_age(person: Person) -> Person:
    """Let the gate name every consent at once: it asks for the age before anything else."""
    is_unknown = person.age_band is AgeBand.UNKNOWN
    return replace(person, age_band=AgeBand.ADULT) if is_unknown else person


def _refusal(person: Person) -> PrivacyRefusedError | None:
    """Return why the gate would not take a photo of this person, or None."""
    try:
        provider = get_settings().default_provider
        ask_enqueue(person=person, provider=provider, claim=Claim(people_agreed=True))
    except PrivacyRefusedError as refusal:
        return refusal
    return None


def _missing(refusal: PrivacyRefusedError | None, version: PolicyVersion) -> list[Notice]:
    """Return what a person can agree to here: nothing where that would not help."""
    if refusal is None or refusal.code != Code.CONSENT_NEEDED:
        return []
    return [_notice(version, key) for key in refusal.missing]


def _notice(version: PolicyVersion, key: str) -> Notice:
    (notice,) = (entry for entry in version.notices if entry["key"] == key)
    sentences = notice_sentences(notice, best_language(get_language()))
    return Notice(key, notice["purpose"], notice["processor"], notice["hash"], tuple(sentences))
