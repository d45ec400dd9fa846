"""Addresses of the rights of people, under api/v1/privacy/."""

from __future__ import annotations

from django.urls import path

from django_hili.api import rights

urlpatterns = [
    path("data/", rights.DataView.as_view(), name="privacy-data"),
    path("copy/", rights.CopyView.as_view(), name="privacy-copy"),
    path("handover/", rights.HandoverView.as_view(), name="privacy-handover"),
    path("photos/", rights.PhotosView.as_view(), name="privacy-photos"),
    path("photos/<uuid:job_id>/", rights.PhotosView.as_view(), name="privacy-photo"),
    path("account/", rights.AccountView.as_view(), name="privacy-account"),
    path("requests/", rights.RequestsView.as_view(), name="privacy-requests"),
    path("requests/<uuid:case_id>/", rights.RequestView.as_view(), name="privacy-request"),
]
