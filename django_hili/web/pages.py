"""What every page of ours has in common: a login, no cache, no trace of it elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_not_required, login_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_http_methods

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def personal(*methods: str) -> Callable[[View[P]], View[P]]:
    """Make a view one person's own: logged in, these methods only, kept by no cache.

    What answers GET answers HEAD.
    """
    allowed = [*methods, *(["HEAD"] if "GET" in methods else [])]

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def private(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            return keep_private(view(request, *args, **kwargs))

        return login_required(require_http_methods(allowed)(private))

    return decorate


def keep_private(response: HttpResponseBase) -> HttpResponseBase:
    """Let no cache keep a page, and no other site learn its address."""
    response["Cache-Control"] = "private, no-store"
    response.setdefault("Referrer-Policy", "same-origin")
    return response


def open_to_all(view: View[P]) -> View[P]:
    """Make a view readable without a login, also where the site asks everybody for one."""
    return login_not_required(view)
