"""Own the address root of the standalone sandbox; must not name a single page."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("", include("django_hili.sandbox.urls"))]
