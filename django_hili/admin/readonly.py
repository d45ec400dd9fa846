"""What is shown in the admin and changed by nobody there."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that verbs make, change and end; a page shows them."""

    class Media:
        css = {"all": ["django_hili/admin.css"]}
        js = ["django_hili/tables.js"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody types such a row in."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A row is what happened."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A row goes when its time is over."""
        return False
