"""Errors as RFC 9457 problem details, on our own views only.

Owns how an exception becomes a response: a stable `code`, a translated sentence and, for
options, every problem with the field it belongs to.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from django_hili.codes import Code
from django_hili.exceptions import (
    HiliError,
    InvalidOptionsError,
    InvalidPhotoError,
    ProviderError,
    StorageError,
    WrongStateError,
)

CONTENT_TYPE = "application/problem+json"
_DOCS = "https://github.com/django-hili/django-hili/blob/main/docs/reference/codes.md#"
_STATUS: dict[Code, int] = {
    Code.PHOTO_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.PHOTO_NOT_AN_IMAGE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.PHOTO_FORMAT_UNSUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Code.JOB_NOT_DONE: HTTPStatus.CONFLICT,
    Code.RESULT_GONE: HTTPStatus.GONE,
    Code.SOURCE_GONE: HTTPStatus.GONE,
}


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception as a problem, or return None to let the server fail."""
    del context
    if isinstance(error, HiliError):
        set_rollback()
        return _hili_problem(error)
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
    return _response(body, _STATUS.get(error.code, _status_of(error)))


def _status_of(error: HiliError) -> int:
    if isinstance(error, InvalidPhotoError | InvalidOptionsError):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    if isinstance(error, WrongStateError):
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
                for field, details in _by_field(error.detail)
                for detail in details
            ],
        }
        return _response(body, HTTPStatus.UNPROCESSABLE_ENTITY, headers)
    detail = error.detail
    code = getattr(detail, "code", None) or error.default_code
    return _response({"code": str(code), "detail": str(detail)}, error.status_code, headers)


def _by_field(detail: Any) -> list[tuple[str, list[Any]]]:
    if isinstance(detail, dict):
        return [
            (str(field), value if isinstance(value, list) else [value])
            for field, value in detail.items()
        ]
    return [("", list(detail))]


def _response(body: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    title = HTTPStatus(status).phrase
    problem = {"type": f"{_DOCS}{body['code']}", "title": title, "status": int(status), **body}
    return Response(problem, status=status, headers=headers, content_type=CONTENT_TYPE)
