"""Addresses of policies and consents, under api/v1/privacy/."""

from __future__ import annotations

from django.urls import path

from django_hili.api import policies

urlpatterns = [
    path("policies/", policies.PoliciesView.as_view(), name="privacy-policies"),
    path("policies/<int:number>/", policies.PolicyView.as_view(), name="privacy-policy"),
    path("processors/", policies.ProcessorsView.as_view(), name="privacy-processors"),
    path("consents/", policies.ConsentsView.as_view(), name="privacy-consents"),
    path("consents/<str:purpose>/", policies.ConsentView.as_view(), name="privacy-consent"),
    path(
        "consents/<str:purpose>/<str:processor>/",
        policies.ConsentView.as_view(),
        name="privacy-consent-to",
    ),
]
