"""Filters of long lists: their choices are known beforehand.

What Django offers for a plain column is found by a look at every row, each time a page is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_hili.models import Basis, CaseKind
from django_hili.providers.registry import provider_aliases


class ColumnFilter(admin.SimpleListFilter):
    """One value of one column, which is the parameter's name up to its first two underscores."""

    def choices_known(self) -> Iterable[tuple[str, Any]]:
        """Return what may be chosen, and what it is called."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Offer what is known, no look at the rows."""
        return list(self.choices_known())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows with the value, also one that is not offered any more."""
        column = str(self.parameter_name).partition("__")[0]
        return queryset.filter(**{column: self.value()}) if self.value() else queryset


class ProviderFilter(ColumnFilter):
    """Who enhances: one of those that are set up."""

    title = _("provider")
    parameter_name = "provider"

    def choices_known(self) -> Iterable[tuple[str, Any]]:
        """The site's providers."""
        return [(alias, alias) for alias in provider_aliases()]


class BasisFilter(ColumnFilter):
    """On what ground a photo was sent."""

    title = _("basis")
    parameter_name = "basis"

    def choices_known(self) -> Iterable[tuple[str, Any]]:
        """Every ground there is."""
        return Basis.choices


class RequestKindFilter(ColumnFilter):
    """What is asked for. Incidents have a list of their own."""

    title = _("kind")
    parameter_name = "kind__exact"

    def choices_known(self) -> Iterable[tuple[str, Any]]:
        """Every kind of request."""
        return [(kind.value, kind.label) for kind in CaseKind if kind != CaseKind.INCIDENT]
