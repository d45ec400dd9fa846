"""Policies and consents over HTTP. Thin: translate, call one verb, translate back.

Every version of the policy is readable without a login. A consent names the version and the hash
of the notice that was shown; taking it back needs neither.
Clauses C01: PIXEL-0.1, MIAO-0.3. Clauses C05: HILI-8b, HILI-FR-1, MIAO-10.2, MIAO-10.3.
Clauses C31: HILI-6, AIART-5.4, PIXEL-6.3, MIAO-8.3.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from django.utils import timezone
from django.utils.translation import get_language
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from django_hili.api.base import Private, Problems
from django_hili.api.problems import notice_body
from django_hili.models import AgeBand, Consent, PolicyVersion, Purpose
from django_hili.privacy.consent.asking import ask_upload
from django_hili.privacy.consent.consents import consents_of, give_consent
from django_hili.privacy.consent.policies import version_in_force
from django_hili.privacy.consent.processors import DATA_SENT, Processor, processors
from django_hili.privacy.consent.wording import best_language
from django_hili.privacy.rights.withdrawal import Withdrawal, withdraw_consent


def ask_first(request: HttpRequest) -> None:
    """The upload handler's gate: asked before the first byte of a photo is kept.

    Clauses C01: HILI-1.2a, AIART-0.1, PIXEL-0.1, MIAO-0.3.
    """
    ask_upload(subject=request.user)


class PoliciesView(Problems):
    """All versions of the policy, the newest first."""

    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        """List them; `current` is the number in force."""
        current = version_in_force()
        rows = list(PolicyVersion.objects.defer("texts", "parameters", "notices"))
        if not rows:
            rows = [current]
        return Response(
            {"current": current.number, "results": [_version(row, request) for row in rows]}
        )


class PolicyView(Problems):
    """One version of the policy."""

    permission_classes = [AllowAny]

    def get(self, request: Request, number: int) -> Response:
        """Return it with its text, in the reader's language and in the one that counts."""
        version = PolicyVersion.objects.filter(number=number).first() or version_in_force()
        if version.number != number:
            raise Http404
        language = best_language(request.query_params.get("language") or get_language())
        body = {
            **_version(version, request),
            "parameters": version.parameters,
            "recipients": version.recipients,
            "language": language,
            "text": version.texts[language],
            "authoritative_text": version.texts[version.authoritative_language],
            "notices": [notice_body(notice, language) for notice in version.notices],
        }
        return Response(body)


class ProcessorsView(Problems):
    """Everybody outside this server who may get photos. Public.

    Clauses C12: AIART-6, MIAO-1, MIAO-6.1c, PIXEL-0.2.
    """

    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        """List them; nobody else is ever contacted."""
        return Response({"results": [_processor(entry) for entry in processors()]})


class NewConsent(serializers.Serializer):
    """An explicit act: which version, which notice, what for. Nothing has a default."""

    version = serializers.IntegerField()
    notice = serializers.CharField(max_length=64)
    purpose = serializers.CharField(max_length=16)
    processor = serializers.CharField(max_length=64, required=False)
    age_band = serializers.ChoiceField(
        [AgeBand.ADULT.value, AgeBand.MINOR.value, AgeBand.CHILD.value], required=False
    )
    region = serializers.RegexField("^[A-Z]{2}$", required=False)
    guardian_proof = serializers.CharField(max_length=4096, required=False)


class ConsentsView(Private):
    """What the person has agreed to, and what they could."""

    def get(self, request: Request) -> Response:
        """Return their last word on each purpose, and the notices of now."""
        language = best_language(get_language())
        current = version_in_force()
        return Response(
            {
                "version": current.number,
                "given": [_consent(event) for event in consents_of(request.user)],
                "notices": [notice_body(notice, language) for notice in current.notices],
            }
        )

    def post(self, request: Request) -> Response:
        """Record one consent."""
        words = NewConsent(data=request.data)
        words.is_valid(raise_exception=True)
        event = give_consent(subject=request.user, **words.validated_data)
        name, where = "hili:privacy-consent", [event.purpose]
        if event.processor:
            name, where = f"{name}-to", [*where, event.processor]
        headers = {"Location": reverse(name, where, request=request)}
        return Response(_consent(event), status=status.HTTP_201_CREATED, headers=headers)


class ConsentView(Private):
    """One consent of the person."""

    def get(self, request: Request, purpose: str, processor: str = "") -> Response:
        """Return their last word on it."""
        for event in consents_of(request.user):
            if (event.purpose, event.processor) == (purpose, processor):
                return Response(_consent(event))
        raise Http404

    def delete(self, request: Request, purpose: str, processor: str = "") -> Response:
        """Take it back; say what that ended."""
        done = withdraw_consent(subject=request.user, purpose=purpose, processor=processor)
        if not done.was_given:
            raise Http404
        return Response(_withdrawal(done))


def _version(version: PolicyVersion, request: Request) -> dict[str, Any]:
    return {
        "number": version.number,
        "url": reverse("hili:privacy-policy", [version.number], request=request),
        "profile": version.profile,
        "controller": version.controller,
        "contact": version.contact,
        "authoritative_language": version.authoritative_language,
        "hash": version.text_hash,
        "change_kinds": version.change_kinds,
        "reduces_rights": version.reduces_rights,
        "updated_at": version.updated_at,
        "effective_at": version.effective_at,
    }


def _consent(event: Consent) -> dict[str, Any]:
    return {
        "purpose": event.purpose,
        "processor": event.processor,
        "action": event.action,
        "given_by": event.given_by,
        "version": event.policy_id,
        "notice": event.notice_hash,
        "at": event.at,
    }


def _withdrawal(done: Withdrawal) -> dict[str, int]:
    return {"cancelled": done.cancelled, "photos": done.photos}


def _processor(entry: Processor) -> dict[str, Any]:
    return {
        "name": entry.name,
        "purpose": Purpose.PROCESSOR.value,
        "data": DATA_SENT,
        "region": entry.region,
        "copy_kept_seconds": entry.copy_kept_seconds,
        "contact": entry.contact,
        "policy_url": entry.policy_url,
        "agreement": entry.agreement,
        "assessed_on": entry.assessed_on,
        "gets_photos": entry.is_bound(timezone.localdate()),
    }
