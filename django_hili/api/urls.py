"""Addresses of the REST door, version 1."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from django_hili.api.batches import BatchViewSet
from django_hili.api.credits import CreditViewSet
from django_hili.api.estimates import EstimateViewSet
from django_hili.api.jobs import JobViewSet
from django_hili.api.providers import PresetViewSet, ProviderViewSet

router = SimpleRouter()
router.register("jobs", JobViewSet, basename="job")
router.register("batches", BatchViewSet, basename="batch")
router.register("estimate", EstimateViewSet, basename="estimate")
router.register("providers", ProviderViewSet, basename="provider")
router.register("credits", CreditViewSet, basename="credit")
router.register("presets", PresetViewSet, basename="preset")
urlpatterns = router.urls
