"""The app's addresses. Nothing is mounted by itself: include this under a prefix of your own."""

from __future__ import annotations

from django.urls import include, path

app_name = "hili"
urlpatterns = [
    path("api/v1/privacy/", include("django_hili.api.rights_urls")),
    path("api/v1/privacy/", include("django_hili.api.policy_urls")),
    path("api/v1/", include("django_hili.api.urls")),
    path("privacy/", include("django_hili.web.urls")),
]
