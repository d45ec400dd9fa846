"""What every address of the REST door shares: problems as answers, no cache, its own throttles.

Owns no resource. Nothing here asks the host for settings before a request comes.
No answer sets a cookie. Clauses C08: HILI-2, AIART-2, PIXEL-2, MIAO-4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.utils.cache import patch_cache_control
from rest_framework import serializers, status
from rest_framework.exceptions import NotAcceptable
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.pagination import BasePagination, CursorPagination
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle, ScopedRateThrottle
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from django_hili.api.problems import problem_handler
from django_hili.jobs.committing import commits_by_itself
from django_hili.media.validators import etag_of, is_known

ASK_AGAIN_SECONDS = "2"
SUBMIT, POLL, DOWNLOAD = "hili-submit", "hili-poll", "hili-download"
WORDS_ONLY = [JSONParser, FormParser, MultiPartParser]
"""Parsers where no photo is expected."""


class JsonAnyway(DefaultContentNegotiation):
    """Answers in JSON also who asks for something else: a browser, or whoever wants the photo."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Choose what was asked for, or else what there is."""
        offered = list(renderers)
        try:
            chosen: tuple[BaseRenderer, str] = super().select_renderer(
                request, offered, format_suffix
            )
        except NotAcceptable:
            return offered[0], offered[0].media_type
        return chosen


class NoWords(serializers.Serializer):
    """The body of a request that needs to say nothing."""


class DoorThrottle(ScopedRateThrottle):
    """Throttles by what is done, where the site sets a rate for it; else not at all."""

    scope_attr = "hili_scope"
    """Not `throttle_scope`, which the site's own throttle would read and know no rate for."""

    def get_rate(self) -> str | None:
        """Return the site's rate, read when it is needed."""
        rate = api_settings.DEFAULT_THROTTLE_RATES.get(self.scope or "")
        return None if rate is None else str(rate)


class Pages(CursorPagination):
    """Newest first, fifty to a page; the cursor stays true while rows are added."""

    ordering = "-created_at"
    page_size = 50


class Problems(APIView):
    """Speaks JSON, answers errors as problem details, and takes words, not photos."""

    parser_classes = WORDS_ONLY
    renderer_classes = [JSONRenderer]
    content_negotiation_class = JsonAnyway

    @classmethod
    def as_view(cls, *args: Any, **kwargs: Any) -> Any:
        """Return the view, whatever of it is overridden, with every transaction in its own hands.

        Views that only read are no exception: nobody has to remember which ones send.
        """
        return commits_by_itself(super().as_view(*args, **kwargs))

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        """Answer errors as problem details here, whatever the host does elsewhere."""
        return problem_handler


class Private(Problems):
    """What one person may read, and no cache may keep."""

    permission_classes = [IsAuthenticated]

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Let no cache keep an answer."""
        response = super().finalize_response(request, response, *args, **kwargs)
        patch_cache_control(response, private=True, no_store=True)
        return response


class Door(Private, GenericViewSet):
    """A resource of a person who has logged in."""

    pagination_class: type[BasePagination] | None = Pages
    throttle_scopes: ClassVar[dict[str, str]] = {}
    """The scope of each action; the others count as asking."""
    words: ClassVar[dict[str, type[serializers.BaseSerializer]]] = {}
    """What a request may hold, by action."""

    def get_serializer_class(self) -> type[serializers.BaseSerializer]:
        """Return what reads a request, or else what shows a row; OPTIONS describes the first."""
        if self.action == "metadata":
            return self.words.get(self.action_map.get("post", ""), NoWords)
        return self.words.get(self.action or "", self.serializer_class or NoWords)

    def read_words(self, request: Request) -> dict[str, Any]:
        """Return what the request says, checked."""
        found = self.get_serializer(data=request.data)
        found.is_valid(raise_exception=True)
        return dict(found.validated_data)

    def body_of(self, row: Any) -> dict[str, Any]:
        """Return a row as its person sees it."""
        shown = self.serializer_class or NoWords
        return dict(shown(row, context=self.get_serializer_context()).data)

    @property
    def hili_scope(self) -> str:
        """The scope that the current action counts against."""
        return self.throttle_scopes.get(self.action or "", POLL)

    def get_throttles(self) -> list[BaseThrottle]:
        """Ask the host's own throttles, and ours."""
        return [*super().get_throttles(), DoorThrottle()]


class Followed(RetrieveModelMixin, Door):
    """A resource that people ask about again and again until it has ended."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return it, or 304 while it looks as it did; until it has ended, say when to ask again."""
        instance = self.get_object()
        body = self.get_serializer(instance).data
        # Weak: it stands for what is told, in whichever form that is written.
        etag = etag_of(JSONRenderer().render(body), is_weak=True)
        headers = {"ETag": etag}
        if self.is_under_way(instance):
            headers["Retry-After"] = ASK_AGAIN_SECONDS
        if is_known(etag, request.headers.get("If-None-Match")):
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers=headers)
        return Response(body, headers=headers)

    def is_under_way(self, instance: Any) -> bool:
        """Whether it will still change by itself."""
        raise NotImplementedError


def replayed(response: Response, *, is_replay: bool) -> Response:
    """Say with an answer that nothing was made for it now."""
    if is_replay:
        response["Idempotency-Replayed"] = "true"
    return response


class MaySeeProviders(BasePermission):
    """Staff who may view providers, or change them."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Ask the host's permission system."""
        may = request.user.has_perm
        return bool(request.user.is_staff and (may(VIEW_PROVIDERS) or may(MANAGE_PROVIDERS)))


class MayManageProviders(BasePermission):
    """Staff who may change providers."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Ask the host's permission system."""
        return bool(request.user.is_staff and request.user.has_perm(MANAGE_PROVIDERS))


MANAGE_PROVIDERS = "django_hili.change_providerstate"
VIEW_PROVIDERS = "django_hili.view_providerstate"
