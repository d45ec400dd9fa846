"""Where somebody with a one-time link takes a person's copy. The link is the permission.

Looking uses nothing up, so programs that read ahead spoil no link; only the button does.
Clauses C29: MIAO-8.5.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from django_hili.codes import Code, sentence
from django_hili.exceptions import WrongStateError
from django_hili.media.archive import archive_response
from django_hili.privacy.rights import handover
from django_hili.web.pages import keep_private, open_to_all


@open_to_all
@csrf_exempt  # no session is used: whoever has the link may take the copy, and nobody else can
@require_http_methods(["GET", "HEAD", "POST"])
def take_copy(request: HttpRequest, token: str) -> HttpResponseBase:
    """Show the button, or stream the copy and use the link up."""
    if request.method == "POST":
        try:
            return archive_response(handover.take_copy(token=token), request=request)
        except WrongStateError as error:
            return _page(request, status=410, gone=error.sentence)
    if not handover.is_usable(token=token):
        return _page(request, status=410, gone=sentence(Code.LINK_GONE))
    return _page(request, status=200)


def _page(request: HttpRequest, *, status: int, **context: Any) -> HttpResponseBase:
    response = render(request, "django_hili/privacy/take_copy.html", context, status=status)
    response["Referrer-Policy"] = "no-referrer"
    return keep_private(response)
