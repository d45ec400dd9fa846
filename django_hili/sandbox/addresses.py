"""Own the addresses of a picture's files, as the vendor forms them; must not know the files."""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.urls import reverse

from django_hili.sandbox import contract
from django_hili.sandbox.pictures import Standing
from django_hili.sandbox.state import Snapshot

RESULT_SUFFIX: Final = "01100"
"""The digits that the vendor puts between a picture's id and its file ending."""


def _host(request: HttpRequest) -> str:
    """Return the name the call came to, or the socket's own where that name is not known here."""
    try:
        return request.get_host()
    except DisallowedHost:
        return f"{request.META['SERVER_NAME']}:{request.META['SERVER_PORT']}"


class Addresses:
    """Builds absolute addresses for one request."""

    def __init__(self, request: HttpRequest, snapshot: Snapshot) -> None:
        base = snapshot.behaviour.result_base_url or f"{request.scheme}://{_host(request)}"
        root = reverse("hili_sandbox:home")
        self._files = urljoin(base, f"{root}static/img/")
        self._results = urljoin(base, f"{root}api/third/download/")

    def result(self, standing: Standing) -> str:
        """Return where the finished picture is."""
        ending = contract.FORMATS[standing.result_format]
        return f"{self._results}{standing.mdf}{RESULT_SUFFIX}.{ending}"

    def source(self, standing: Standing) -> str:
        """Return where the uploaded picture is."""
        return f"{self._files}{standing.mdf}_src.{contract.FORMATS[standing.source_format]}"

    def preview(self, standing: Standing) -> str:
        """Return where the watermarked preview is."""
        return f"{self._files}{standing.mdf}_wmk.jpg"

    def icon(self, standing: Standing) -> str:
        """Return where the thumbnail is."""
        return f"{self._files}{standing.mdf}_icon.jpg"

    def uploaded(self, mdf: str) -> str:
        """Return version 1's ``img_url``, known before anything else about the picture is."""
        return f"{self._files}{mdf}_out.jpg"
