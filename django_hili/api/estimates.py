"""What something would cost, and whether it would be taken: stores nothing, sends nothing."""

from __future__ import annotations

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from django_hili.api.base import Door
from django_hili.api.serializers import WishSerializer, estimate_body
from django_hili.jobs.estimate import estimate


class EstimateSerializer(WishSerializer):
    """What shall be done, to how many photos, and of what size."""

    photos = serializers.IntegerField(required=False, min_value=1, default=1)
    width = serializers.IntegerField(required=False, min_value=1)
    height = serializers.IntegerField(required=False, min_value=1)
    max_credits = serializers.IntegerField(required=False, min_value=0)


class EstimateViewSet(Door):
    """A dry run."""

    pagination_class = None
    words = {"create": EstimateSerializer}

    def create(self, request: Request) -> Response:
        """Say what would be done, by whom, for how much, and what stands against it."""
        return Response(estimate_body(estimate(**self.read_words(request)), request))
