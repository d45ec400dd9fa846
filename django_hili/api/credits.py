"""What a month has cost by user and operation, for staff who may see providers.

As JSON, or as CSV where the request asks for it (`Accept: text/csv` or `?format=csv`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.http import Http404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from django_hili.api.base import Door, MaySeeProviders
from django_hili.jobs.report import Report, as_csv, monthly_report
from django_hili.providers.registry import provider_aliases


class CsvRenderer(BaseRenderer):
    """Writes a report as CSV, and a problem as what it is."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> str | bytes:
        """Return the text."""
        if isinstance(data, Report):
            return as_csv(data)
        return bytes(JSONRenderer().render(data))


class MonthSerializer(serializers.Serializer):
    """Which month, and of which provider."""

    month = serializers.DateField(input_formats=["%Y-%m"], required=False)
    provider = serializers.CharField(max_length=64, required=False)


class CreditViewSet(Door):
    """Credits by month."""

    permission_classes = [MaySeeProviders]
    renderer_classes = [JSONRenderer, CsvRenderer]
    pagination_class = None

    def list(self, request: Request) -> Response:
        """One month, this one where none is named; `?month=2026-11`, `?provider=`."""
        asked = MonthSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        alias = asked.validated_data.get("provider")
        if alias is not None and alias not in provider_aliases():
            raise Http404
        month = asked.validated_data.get("month") or timezone.localdate()
        report = monthly_report(month=month, provider=alias)
        if not isinstance(request.accepted_renderer, CsvRenderer):
            return Response(_body(report))
        name = f"credits-{report.month:%Y-%m}.csv"
        return Response(report, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _body(report: Report) -> dict[str, Any]:
    return {
        "month": f"{report.month:%Y-%m}",
        "charged": report.charged,
        "not_known": report.not_known,
        "lines": [asdict(line) for line in report.lines],
    }
