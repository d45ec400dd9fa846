"""Addresses of the REST door, version 1."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from django_hili.api.views import JobViewSet

router = SimpleRouter()
router.register("jobs", JobViewSet, basename="job")
urlpatterns = router.urls
