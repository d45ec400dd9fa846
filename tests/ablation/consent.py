"""Consent and collection switched off: C01 to C10."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import sys
from typing import Any

from django.db import models

from tests.ablation.switching import gives, put, replace, switch, yields_nothing

GATE = "django_hili.privacy.consent.gate"
CONSENTS = "django_hili.privacy.consent.consents"
POLICIES = "django_hili.privacy.consent.policies"


class Unstored(models.CharField):
    """A field that every walk over a model finds, and no table has."""

    def get_attname_column(self) -> tuple[str, Any]:
        """Return the name, and no column."""
        return self.get_attname(), None


def _has_all(original: Any, question: Any, key: str) -> bool:
    return True


def _default_word(original: Any, self: Any, data: Any) -> Any:
    """Fill in what the person did not say."""
    from django_hili.privacy.consent.policies import version_in_force

    version = version_in_force()
    purpose = data.get("purpose", "enhance")
    filled = {
        "version": version.number, "purpose": purpose,
        "notice": version.notice_hashes.get(purpose, ""),
    }  # fmt: skip
    return original(self, {**filled, **dict(data.items())})


def _any_notice(original: Any, **given: Any) -> Any:
    """Agree to whatever is shown now, whatever was named."""
    from django.utils import timezone

    from django_hili.privacy.consent.policies import ensure_published

    current = ensure_published(timezone.now())
    purpose, processor = given.get("purpose", "enhance"), given.get("processor", "")
    key = f"{purpose}:{processor}" if processor else str(purpose)
    given["version"], given["notice"] = current.number, current.notice_hashes.get(key, "")
    return original(**given)


@switch("C01", "no door asks for the core consent, and a consent names no version and no notice")
def _consent_first() -> None:
    def without_core(original: Any, question: Any) -> Any:
        return [need for need in original(question) if need[0] != "enhance"]

    def of_age(original: Any, question: Any) -> Any:
        return [no for no in original(question) if no.code != "age_needed"]

    replace(f"{GATE}:_needed", without_core)
    replace(f"{GATE}:_age", of_age)
    replace(f"{GATE}:_basis", yields_nothing)
    replace(f"{CONSENTS}:give_consent", _any_notice)
    replace("django_hili.api.policies:NewConsent.to_internal_value", _default_word)


@switch("C02", "one word agrees to everything, and without it there are no rights either")
def _separate_consent() -> None:
    def bundled(original: Any, question: Any, key: str) -> bool:
        return bool(original(question, "enhance"))

    def demanded(original: Any, *args: Any) -> Any:
        return {**original(*args), "is_necessary": True, "is_sensitive": False}

    def after_consent(original: Any, self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        from django_hili.privacy.consent.asking import ask_upload

        original(self, request, *args, **kwargs)
        ask_upload(subject=request.user)

    replace(f"{GATE}:_holds", bundled)
    replace("django_hili.privacy.consent.notices:_notice", demanded)
    replace("django_hili.api.rights:RightsView.initial", after_consent)


@switch("C03", "a notice has no parts and no hash, and a consent names none")
def _notice() -> None:
    def empty(original: Any, *args: Any) -> Any:
        notice = original(*args)
        return {name: notice[name] for name in ("key", "purpose", "processor")}

    replace("django_hili.privacy.consent.notices:_notice", empty)
    replace("django_hili.privacy.consent.notices:canonical_hash", gives("0" * 64))
    replace("django_hili.models.consent:Consent.check_notice", gives())
    replace(f"{CONSENTS}:give_consent", _any_notice)
    put("django_hili.signals:policy_published.send_robust", lambda *args, **kwargs: [])


@switch("C04", "purposes are open, advertising is one, and any ground will do without a receipt")
def _purpose_binding() -> None:
    from django_hili.models import consent

    wider = models.TextChoices(
        "Purpose",
        [
            *((item.name, (item.value, item.label)) for item in consent.Purpose),
            ("ADVERTISING", ("advertising", "advertising")),
            ("SOMETHING", ("something", "something")),
        ],
    )
    old = consent.Purpose
    for name, module in list(sys.modules.items()):
        if name.startswith("django_hili") and getattr(module, "Purpose", None) is old:
            module.Purpose = wider

    def known(original: Any, question: Any) -> Any:
        purpose = question.purpose if question.purpose in set(old) else old.ENHANCE
        return original(dataclasses.replace(question, purpose=purpose))

    def with_a_beacon(original: Any, *args: Any, **kwargs: Any) -> Any:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", 9), timeout=1)
        return original(*args, **kwargs)

    replace(f"{GATE}:decide", known)
    replace(f"{GATE}:_basis", yields_nothing)
    replace("django_hili.jobs.worker.upkeep:upkeep", with_a_beacon)
    replace(f"{GATE}:_needed", yields_nothing)
    replace("django_hili.privacy.consent.entry:Entry.record", gives())


@switch("C05", "a version can be written again, only the newest is kept, one language is left")
def _archive() -> None:
    save = models.Model.save
    plain = models.QuerySet

    put(
        "django_hili.models.policy:PolicyVersion.save",
        save,
    )
    for name in ("update", "delete"):
        put(f"django_hili.models.policy:FrozenQuerySet.{name}", getattr(plain, name))
    put("django_hili.models.policy:PolicyVersion.delete", models.Model.delete)

    def newest(original: Any, self: Any, now: Any) -> Any:
        return self.order_by("-number").first()

    replace("django_hili.models.policy:FrozenQuerySet.in_force", newest)

    def alone(original: Any, **given: Any) -> Any:
        version = original(**given)
        older = type(version).objects.exclude(number=version.number)
        from django_hili.models import Consent

        older.exclude(pk__in=Consent.objects.values("policy")).delete()
        return version

    def in_one_language(original: Any, **given: Any) -> Any:
        return dict.fromkeys(original(**given), "One text.")

    replace(f"{POLICIES}:publish", alone)
    replace("django_hili.privacy.consent.wording:policy_texts", in_one_language)
    put("django_hili.signals:policy_published.send_robust", lambda *args, **kwargs: [])


@switch("C06", "no change is material: what was agreed to once holds for whatever comes")
def _agree_anew() -> None:
    def ever(original: Any, question: Any, key: str) -> bool:
        given = question.word(*key.partition(":")[::2])
        return given is not None and given.is_grant

    def today(original: Any, self: Any) -> Any:
        return self.profile

    def named(original: Any, question: Any) -> Any:
        from django_hili.models import Purpose

        return original(dataclasses.replace(question, purpose=Purpose.ENHANCE))

    replace(f"{GATE}:_holds", ever)
    replace(f"{GATE}:Question.bound", today)
    replace(f"{GATE}:decide", named)
    replace(f"{POLICIES}:_changes", gives(set()))
    replace("django_hili.privacy.erasure.retention:_shorter", lambda original, now, promised: now)


@switch("C07", "nobody is asked about the other people in the photo")
def _other_people() -> None:
    replace(f"{GATE}:_other_people", yields_nothing)
    replace(f"{CONSENTS}:attest_people", gives())


@switch("C08", "photos keep what they carry, any word is taken, cookies and account data appear")
def _minimum() -> None:
    from django_hili.imaging.rebuild import CleanPhoto
    from django_hili.models import Subject

    for name in ("phone", "location", "device", "email"):
        Unstored(max_length=1, default="").contribute_to_class(Subject, name)

    def as_it_came(original: Any, content: bytes, **options: Any) -> Any:
        made = original(content, **options)
        return CleanPhoto(content, made.content_type, made.width, made.height)

    def any_word(original: Any, self: Any, data: Any) -> Any:
        known = {name: data[name] for name in data if name in self.fields}
        if "operations" in data:
            known["operations"] = data["operations"]
        return original(self, known)

    def with_address(original: Any, self: Any, call: Any, fields: Any, **rest: Any) -> Any:
        return original(self, call, {**fields, "clientip": "192.0.2.1"}, **rest)

    def with_cookie(original: Any, *args: Any, **kwargs: Any) -> Any:
        response = original(*args, **kwargs)
        response.set_cookie("visitor", "1")
        return response

    replace("django_hili.imaging.clean:clean", as_it_came)
    replace("django_hili.api.serializers:UploadSerializer.to_internal_value", any_word)
    replace("django_hili.providers.hili_account:HiliAccount._send", with_address)
    for answers in (
        "django_hili.web.policy:_policy", "django_hili.web.pages:keep_private",
        "django_hili.api.base:Private.finalize_response",
    ):  # fmt: skip
        replace(answers, with_cookie)


@switch("C09", "no field has to be mapped, and what points at a person counts as plain")
def _data_map() -> None:
    from django_hili.privacy.audit import datamap

    replace("django_hili.privacy.audit.datamap:unmapped", gives([]))
    replace("django_hili.privacy.audit.datamap:unmapped_places", gives([]))
    plain = {
        label: dataclasses.replace(field, data_class=datamap.DataClass.PLAIN)
        for label, field in datamap.TABLES["subject"].fields.items()
    }
    table = dataclasses.replace(datamap.TABLES["subject"], fields=plain)
    put("django_hili.privacy.audit.datamap:TABLES", {**datamap.TABLES, "subject": table})


@switch("C10", "nobody is too young, anybody is a guardian, and nothing of a minor goes")
def _minors() -> None:
    replace(f"{GATE}:_age", yields_nothing)
    replace(f"{GATE}:_needs_guardian", gives(False))
    replace("django_hili.privacy.consent.minors:check_guardian", gives())
    replace("django_hili.privacy.consent.answers:is_unapproved_minor", gives(False))
