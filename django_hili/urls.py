"""The app's addresses. Nothing is mounted by itself: include this under a prefix of your own."""

from __future__ import annotations

from django.urls import include, path

app_name = "hili"
urlpatterns = [
    path("api/v1/", include("django_hili.api.urls")),
]
