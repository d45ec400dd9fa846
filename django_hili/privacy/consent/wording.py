"""The policy and its notices as text, in five languages, written out of the values that run.

Owns how values become sentences; the sentences themselves lie in `texts/`, one file for each
language. English is authoritative. What people read and what runs cannot differ: there is no
sentence with a number of its own. Clauses C05: HILI-FR-1.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from django_hili.models import Purpose
from django_hili.profiles import Profile
from django_hili.profiles.profile import NOTHING

AUTHORITATIVE: Final = "en"
LANGUAGES: Final = ("en", "zh-hans", "ja", "es", "fr")
_YEAR: Final = dt.timedelta(days=365)
_UNITS: Final = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))


def policy_texts(
    *,
    profile: Profile,
    controller: str,
    contact: str,
    home_region: str,
    recipients: Sequence[Mapping[str, Any]],
) -> dict[str, str]:
    """Return the policy in every language, as Markdown."""
    return {
        language: _Words(language).policy(profile, controller, contact, home_region, recipients)
        for language in LANGUAGES
    }


def notice_sentences(notice: Mapping[str, Any], language: str) -> list[str]:
    """Return what a person reads before they agree: what for, who, where, how long, whom to ask."""
    return _Words(language).notice(notice)


def best_language(language: str | None) -> str:
    """Return the language the policy is shown in to somebody who reads `language`."""
    wanted = (language or "").lower()
    aliases = {"zh": "zh-hans", "zh-cn": "zh-hans", "zh-sg": "zh-hans"}
    for candidate in (wanted, aliases.get(wanted, ""), wanted.split("-")[0]):
        if candidate in LANGUAGES:
            return candidate
    return AUTHORITATIVE


@lru_cache(maxsize=len(LANGUAGES))
def sentences(language: str) -> Mapping[str, Any]:
    """Return the sentences of one language."""
    path = files(__package__) / "texts" / f"{language}.toml"
    return tomllib.loads(path.read_text("utf-8"))


def region_name(code: str, language: str | None) -> str:
    """Return what a place is called; its code where the texts have no name for it."""
    name: str = sentences(best_language(language))["regions"].get(code, code)
    return name


class _Words:
    """One language's sentences, filled with values."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._words = sentences(best_language(language))

    def policy(
        self, profile: Profile, controller: str, contact: str, home: str,
        recipients: Sequence[Mapping[str, Any]],
    ) -> str:  # fmt: skip
        parts = {
            "who": self._who(controller, contact),
            "what": [self._say("what", "text"), self._say("what", "others")],
            "why": [self._say("why", "text"), self._say("why", "consent")],
            "recipients": self._recipients(recipients),
            "where": self._where(profile, home),
            "kept": self._kept(profile),
            "rights": self._rights(profile),
            "minors": [
                self._say(
                    "minors", "text", age=profile.guardian_below, child=profile.sensitive_below
                )
            ],
            "safety": [
                self._say("safety", "text"),
                self._say("safety", "at_once" if profile.tell_people_at_once else "promptly"),
            ],
            "changes": self._changes(profile),
        }
        blocks = [f"# {self._words['title']}", self._words["authoritative"]]
        for section, lines in parts.items():
            blocks += [f"## {self._words[section]['heading']}", *lines]
        return "\n\n".join(blocks) + "\n"

    def notice(self, notice: Mapping[str, Any]) -> list[str]:
        name, region = notice["processor"], self._region(notice["region"])
        lines = [self._say("notice", notice["purpose"], name=name, region=region)]
        if name:
            contact = notice.get("recipient_contact", "")
            who = {"name": name, "region": notice["region"], "contact": contact}
            kept = notice["deadlines"]["processor_copy"]
            lines.append(self._recipient({**who, "copy_kept_seconds": kept}))
        if notice["purpose"] == Purpose.ENHANCE:
            lines += self._deadlines(notice["deadlines"])
        return lines + self._who(notice["controller"], notice["contact"])

    def _who(self, controller: str, contact: str) -> list[str]:
        return [
            self._say("who", "named" if controller else "unnamed", controller=controller),
            self._say("who", "contact" if contact else "unreachable", contact=contact),
        ]

    def _recipients(self, recipients: Sequence[Mapping[str, Any]]) -> list[str]:
        if not recipients:
            return [self._say("recipients", "nobody")]
        return [
            self._say("recipients", "asked"),
            "\n".join(f"- {self._recipient(who)}" for who in recipients),
        ]

    def _recipient(self, who: Mapping[str, Any]) -> str:
        seconds = who["copy_kept_seconds"]
        name, region = who["name"], self._region(who["region"])
        # Versions of before the contact was part of one have none.
        contact = who.get("contact", "")
        reach = self._say("recipients", "reach", contact=contact) if contact else ""
        if seconds is None:
            return self._say("recipients", "unstated", name=name, region=region) + reach
        kept = self._span(seconds)
        return self._say("recipients", "one", name=name, region=region, kept=kept) + reach

    def _where(self, profile: Profile, home: str) -> list[str]:
        china = self._words["join"].join(map(self._region, sorted(profile.regions_in_china)))
        return [
            self._say("where", "home" if home else "unnamed", region=self._region(home)),
            self._say("where", "china", regions=china),
        ]

    def _kept(self, profile: Profile) -> list[str]:
        deadlines = {
            "source_after_end": profile.source_after_end.total_seconds(),
            "source_ceiling": profile.source_ceiling.total_seconds(),
            "result_kept": profile.result_kept.total_seconds() if profile.result_kept else None,
            "result_on_delivery": profile.result_on_delivery,
            "job_kept": profile.job_kept.total_seconds(),
        }
        lines = self._deadlines(deadlines)
        if profile.longer_by_consent:
            lines.insert(2, self._say("kept", "longer"))
        lines.append(
            self._say("kept", "backups", kept=self._span(profile.key_lease.total_seconds()))
        )
        lines.append(self._say("kept", "receipts", kept=self._at_least(profile.receipts_kept)))
        return lines

    def _deadlines(self, values: Mapping[str, Any]) -> list[str]:
        after, kept = values["source_after_end"], values["result_kept"]
        name = "result_open" if kept is None else "result_for"
        name = "result_delivery" if values["result_on_delivery"] and kept is not None else name
        return [
            self._say(
                "kept",
                "source_later" if after else "source_at_once",
                after=self._span(after),
                ceiling=self._span(values["source_ceiling"]),
            ),
            self._say("kept", name, kept=self._span(kept or 0)),
            self._say("kept", "job", kept=self._span(values["job_kept"])),
        ]

    def _rights(self, profile: Profile) -> list[str]:
        at_once = profile.cancel_within == NOTHING
        kept = self._span(profile.cancel_within.total_seconds())
        cancel = self._say("rights", "cancel_at_once" if at_once else "cancel_later", kept=kept)
        answers = self._words["stop"].join(self._answers(profile))
        return [self._say("rights", "text"), cancel, answers, self._say("rights", "appeal")]

    def _answers(self, profile: Profile) -> Iterator[str]:
        if profile.answer_days:
            yield self._say("rights", "answer_days", n=profile.answer_days)
        if profile.answer_working_days:
            yield self._say("rights", "answer_working", n=profile.answer_working_days)
        if profile.answer_months:
            forms = self._words["rights"]["answer_months"]
            yield _form(forms, profile.answer_months)

    def _changes(self, profile: Profile) -> list[str]:
        names = self._words["kinds"]
        kinds = self._words["join"].join(names[kind] for kind in names if kind in profile.reconsent)
        return [self._say("changes", "text"), self._say("changes", "kinds", kinds=kinds)]

    def _say(self, section: str, key: str, /, **values: Any) -> str:
        text: str = self._words[section][key]
        return text.format(**values)

    def _region(self, code: str) -> str:
        return region_name(code, self._language) if code else "?"

    def _at_least(self, kept: dt.timedelta) -> str:
        """Write a time that may be longer than it says: in years, where they are whole.

        Of 1096 days none is left beside three years, for one of them may be a leap year.
        """
        years = int(kept / _YEAR)
        if years and kept - years * _YEAR <= dt.timedelta(days=-(-years // 4)):
            return _form(self._words["units"]["years"], years)
        return self._span(kept.total_seconds())

    def _span(self, seconds: float) -> str:
        """Write a time in the largest unit that leaves no rest."""
        whole = int(seconds)
        for unit, size in _UNITS:
            if whole % size == 0 and whole >= size:
                return _form(self._words["units"][unit], whole // size)
        return _form(self._words["units"]["seconds"], whole)


def _form(forms: Sequence[str], number: int) -> str:
    return forms[0 if number == 1 else -1].format(n=number)
