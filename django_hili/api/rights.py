"""A person's rights over HTTP, one address for each. Thin: it translates and calls one verb.

Everything is about the person who asks; somebody else's request is not there (404, never 403).
Clauses C29, C30, C32, C33: HILI-6, HILI-API-6, AIART-5.1, PIXEL-6.1, MIAO-8.1, MIAO-8.5.
None of them asks for a consent. Clauses C02: HILI-1.2b, AIART-1.2.3a.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404
from django.http.response import HttpResponseBase
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from django_hili.api.base import Private
from django_hili.media.archive import archive_response
from django_hili.models import AgeBand, Case, CaseKind, ExtensionReason, RefusalGround
from django_hili.privacy.consent.asking import ask_read
from django_hili.privacy.consent.subjects import known_subject_ref, subject_ref_for
from django_hili.privacy.rights import cases, exercise, handover, holdings
from django_hili.privacy.rights.export import export


class RightsView(Private):
    """What all addresses share: the person who asks."""

    @property
    def subject_ref(self) -> uuid.UUID:
        """Whose rights these are, making a reference at first sight."""
        return subject_ref_for(self.request.user)


class DataView(RightsView):
    """Everything held about the person."""

    def get(self, request: Request) -> Response:
        """Return it by table, with where to turn to."""
        ref = known_subject_ref(request.user)
        held = holdings.held_about(ref) if ref else {}
        return Response({"held": held, "appeal": cases.appeal_path()})

    def patch(self, request: Request) -> Response:
        """Correct the age band or the region; say what that ended."""
        words = Corrections(data=request.data)
        words.is_valid(raise_exception=True)
        band = words.validated_data.get("age_band")
        done = exercise.correct(
            subject=request.user, age_band=AgeBand(band) if band else None,
            region=words.validated_data.get("region"),
            guardian_proof=words.validated_data.get("guardian_proof", ""),
        )  # fmt: skip
        return Response({"cancelled": done.cancelled, "photos": done.photos})


class Corrections(serializers.Serializer):
    """What can be corrected or supplemented at once."""

    age_band = serializers.ChoiceField(
        [AgeBand.ADULT.value, AgeBand.MINOR.value, AgeBand.CHILD.value], required=False
    )
    region = serializers.CharField(max_length=2, required=False, allow_blank=True)
    guardian_proof = serializers.CharField(required=False, allow_blank=True)


class CopyView(RightsView):
    """The person's copy, as one archive."""

    def get(self, request: Request) -> HttpResponseBase:
        """Stream it; a look at its headers makes none."""
        ref = self.subject_ref
        ask_read(owner=ref, reader=request.user, exporting=True)
        pieces = iter(()) if request.method == "HEAD" else export(subject_ref=ref)
        return archive_response(pieces, request=request)


class HandoverView(RightsView):
    """The one-time link by which somebody else takes the person's copy."""

    def post(self, request: Request) -> Response:
        """Make a link; its address is told here and never again."""
        made = handover.hand_over(subject_ref=self.subject_ref)
        body = {
            "url": reverse("hili:take-copy", [made.token], request=request),
            "expires_at": made.handover.expires_at,
        }
        return Response(body, status=status.HTTP_201_CREATED)

    def delete(self, request: Request) -> Response:
        """Take it back."""
        handover.take_back(subject_ref=self.subject_ref)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DeletionWords(serializers.Serializer):
    """What a deletion may say."""

    ground = serializers.ChoiceField(
        [ground.value for ground in exercise.DeletionGround], required=False
    )


class PhotosView(RightsView):
    """All photos of the person, or those of one job."""

    def delete(self, request: Request, job_id: uuid.UUID | None = None) -> Response:
        """Delete them, and say which copies providers still have, and until when."""
        words = DeletionWords(data=request.data)
        words.is_valid(raise_exception=True)
        ground = words.validated_data.get("ground", exercise.DeletionGround.WISH)
        deletion = exercise.delete_photos(
            subject_ref=self.subject_ref,
            job_ids=None if job_id is None else [job_id],
            ground=exercise.DeletionGround(ground),
        )
        if job_id is not None and not deletion.deleted.jobs:
            raise Http404
        return Response(_deletion(deletion))


class AccountView(RightsView):
    """All there is about the person here. The site's own account is the site's to delete."""

    def delete(self, request: Request) -> Response:
        """End everything at once."""
        return Response(_deletion(exercise.cancel_account(subject_ref=self.subject_ref)))


class NewRequest(serializers.Serializer):
    """What a request holds."""

    kind = serializers.ChoiceField([kind.value for kind in cases.ASKABLE])
    text = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)


class BetterWords(serializers.Serializer):
    """What replaces the words of a request."""

    text = serializers.CharField(trim_whitespace=False)


class RequestsView(RightsView):
    """The person's requests that somebody answers."""

    def get(self, request: Request) -> Response:
        """List them, newest first."""
        rows = Case.objects.of(known_subject_ref(request.user)).order_by("-received_at")
        return Response({"results": [_case(case) for case in rows]})

    def post(self, request: Request) -> Response:
        """Take one in. The login has said who asks."""
        words = NewRequest(data=request.data)
        words.is_valid(raise_exception=True)
        case = cases.ask(
            kind=CaseKind(words.validated_data["kind"]), subject_ref=self.subject_ref,
            text=words.validated_data.get("text", ""),
        )  # fmt: skip
        headers = {"Location": reverse("hili:privacy-request", [case.pk], request=request)}
        return Response(_case(case), status=status.HTTP_201_CREATED, headers=headers)


class RequestView(RightsView):
    """One request of the person."""

    def get(self, request: Request, case_id: uuid.UUID) -> Response:
        """Return it, with its answer once there is one."""
        return Response(_case(self._case(case_id)))

    def patch(self, request: Request, case_id: uuid.UUID) -> Response:
        """Replace its words, until it is answered."""
        self._case(case_id)
        words = BetterWords(data=request.data)
        words.is_valid(raise_exception=True)
        case = cases.supplement(
            case_id=case_id, subject_ref=self.subject_ref, **words.validated_data
        )
        return Response(_case(case))

    def _case(self, case_id: uuid.UUID) -> Case:
        case = Case.objects.of(known_subject_ref(self.request.user)).filter(pk=case_id).first()
        if case is None:
            raise Http404
        return case


def _deletion(deletion: exercise.Deletion) -> dict[str, Any]:
    return {
        "deleted": {"jobs": deletion.deleted.jobs, "photos": deletion.deleted.photos},
        "pending": [
            {
                "provider": copy.provider,
                "region": copy.region,
                "until": copy.until,
                "outcome": copy.outcome.value,
            }
            for copy in deletion.pending
        ],
    }


def _case(case: Case) -> dict[str, Any]:
    return {
        "id": case.pk,
        "kind": case.kind,
        "state": case.state,
        "received_at": case.received_at,
        "verified_at": case.verified_at,
        "due_at": case.due_at,
        "extension": _told(case.extension, ExtensionReason),
        "closed_at": case.closed_at,
        "outcome": case.outcome or None,
        "ground": _told(case.ground, RefusalGround),
        "request": cases.request_text(case),
        "answer": cases.answer_text(case),
        "text_kept_until": case.expires_at,
    }


def _told(value: str, choices: Any) -> dict[str, str] | None:
    """A listed reason as a code and a sentence; null where there is none."""
    return {"code": value, "detail": str(choices(value).label)} if value else None
