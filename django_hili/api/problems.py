"""Errors as RFC 9457 problem details, on our own views only.

Owns how an exception becomes a response: a stable `code`, a translated sentence and, for
options, every problem with the field it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, TooManyFilesSent
from django.http import Http404
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from django_hili.codes import Code
from django_hili.exceptions import (
    FrozenRowError,
    HiliError,
    InvalidOptionsError,
    InvalidPhotoError,
    PrivacyRefusedError,
    Problem,
    ProviderError,
    StorageError,
    WrongStateError,
)
from django_hili.privacy.consent.policies import version_in_force
from django_hili.privacy.consent.wording import best_language, notice_sentences

IN_FLIGHT_SECONDS = "2"
CONTENT_TYPE = "application/problem+json"
_DOCS = "https://github.com/django-hili/django-hili/blob/main/docs/reference/codes.md#"
_STATUS: dict[Code, int] = {
    Code.PHOTO_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.PHOTO_NOT_AN_IMAGE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.PHOTO_FORMAT_UNSUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.JOB_NOT_DONE: HTTPStatus.CONFLICT,
    Code.RESULT_GONE: HTTPStatus.GONE,
    Code.SOURCE_GONE: HTTPStatus.GONE,
    Code.UPLOAD_AGAIN: HTTPStatus.GONE,
    Code.BATCH_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.BATCH_TOO_HEAVY: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.REPLAY_NEEDED: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.LINK_GONE: HTTPStatus.GONE,
    Code.KEY_SPENT: HTTPStatus.GONE,
    Code.REQUESTS_TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
}


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception as a problem, or return None to let the server fail."""
    del context
    if isinstance(error, HiliError):
        set_rollback()
        return _hili_problem(error)
    if isinstance(error, TooManyFilesSent):
        limit = {"limit": settings.DATA_UPLOAD_MAX_NUMBER_FILES}
        return _hili_problem(InvalidOptionsError(Problem("photos", Code.BATCH_TOO_LARGE, limit)))
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.APIException):
        set_rollback()
        return _api_problem(error)
    return None


def _hili_problem(error: HiliError) -> Response:
    body: dict[str, Any] = {"code": error.code.value, "detail": error.sentence}
    if isinstance(error, InvalidOptionsError):
        body["errors"] = [
            {"field": problem.field, "code": problem.code.value, "detail": problem.sentence}
            for problem in error.problems
        ]
    if isinstance(error, PrivacyRefusedError):
        body |= _refusal(error)
    headers = {"Retry-After": IN_FLIGHT_SECONDS} if error.code is Code.KEY_IN_FLIGHT else None
    return _response(body, _STATUS.get(error.code, _status_of(error)), headers)


def _refusal(error: PrivacyRefusedError) -> dict[str, Any]:
    """Name the clauses that refuse, and show what could be agreed to instead."""
    version = version_in_force()
    language = best_language(get_language())
    shown = [notice for notice in version.notices if notice["key"] in error.missing]
    return {
        "clauses": list(error.clauses),
        "version": version.number,
        "notices": [notice_body(notice, language) for notice in shown],
        "policy": reverse("hili:privacy-policy", args=[version.number]),
        "consents": reverse("hili:privacy-consents"),
    }


def notice_body(notice: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Return a notice as it is shown: what it says, and the hash that a consent names."""
    return {**notice, "text": notice_sentences(notice, language)}


def _status_of(error: HiliError) -> int:
    if isinstance(error, InvalidPhotoError | InvalidOptionsError):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    if isinstance(error, PrivacyRefusedError):
        return HTTPStatus.FORBIDDEN
    if isinstance(error, WrongStateError | FrozenRowError):
        return HTTPStatus.CONFLICT
    if isinstance(error, StorageError | ProviderError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _api_problem(error: exceptions.APIException) -> Response:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait) + 1)
    if isinstance(error, exceptions.ValidationError):
        body: dict[str, Any] = {
            "code": Code.OPTION_INVALID.value,
            "detail": _("Some of what was sent cannot be used."),
            "errors": [
                {"field": field, "code": detail.code, "detail": str(detail)}
                for field, detail in _by_field(error.detail)
            ],
        }
        return _response(body, HTTPStatus.UNPROCESSABLE_ENTITY, headers)
    detail = error.detail
    code = getattr(detail, "code", None) or error.default_code
    return _response({"code": str(code), "detail": str(detail)}, error.status_code, headers)


def _by_field(detail: Any, field: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each thing that is wrong with its field, however deep it lies: `operations[1]`."""
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            yield from _by_field(inner, f"{field}[{key}]" if field else str(key))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _by_field(inner, field)
    else:
        yield field, detail


def _response(body: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    title = HTTPStatus(status).phrase
    problem = {"type": f"{_DOCS}{body['code']}", "title": title, "status": int(status), **body}
    return Response(problem, status=status, headers=headers, content_type=CONTENT_TYPE)
