"""Addresses of the plain site."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("sandbox/", include("django_hili.sandbox.urls"))]
