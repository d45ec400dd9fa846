"""Addresses of the test site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("hili/", include("django_hili.urls")),
    path("sandbox/", include("django_hili.sandbox.urls")),
]
