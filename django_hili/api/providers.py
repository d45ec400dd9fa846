"""Who enhances here: what each provider can do and costs, and whether it is available.

Staff who may see providers see the credits left, with the age of that count; staff who may change
them pause and resume them and have the credits counted.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from django_hili.api.base import Door, MayManageProviders
from django_hili.api.serializers import balance_body, may_see_credits
from django_hili.conf import get_settings
from django_hili.jobs.balance import refresh_balance
from django_hili.jobs.pause import pause_provider, resume_provider
from django_hili.jobs.presets import all_presets, presets_for
from django_hili.jobs.providers import ProviderInfo, provider_info, providers
from django_hili.providers.registry import provider_aliases
from django_hili.vocabulary import Capabilities, Preset


class ProviderViewSet(Door):
    """Providers, the default one first. A short list without pages."""

    pagination_class = None
    lookup_value_regex = "[^/]+"

    def list(self, request: Request) -> Response:
        """Every provider of this site."""
        return Response([_body(info, request) for info in providers()])

    def retrieve(self, request: Request, pk: str) -> Response:
        """One provider."""
        return Response(_body(provider_info(alias=_known(pk)), request))

    @action(detail=True, methods=["post"], permission_classes=[MayManageProviders])
    def pause(self, request: Request, pk: str) -> Response:
        """Send nothing more to the provider; say how many jobs wait."""
        moved = pause_provider(provider=_known(pk)).jobs
        return Response({**_body(provider_info(alias=pk), request), "jobs_held": moved})

    @action(detail=True, methods=["post"], permission_classes=[MayManageProviders])
    def resume(self, request: Request, pk: str) -> Response:
        """Let the provider's jobs go on; say how many."""
        moved = resume_provider(provider=_known(pk)).jobs
        return Response({**_body(provider_info(alias=pk), request), "jobs_released": moved})

    @action(detail=True, methods=["post"], permission_classes=[MayManageProviders])
    def refresh(self, request: Request, pk: str) -> Response:
        """Ask the provider once how many credits are left."""
        refresh_balance(provider=_known(pk))
        return Response(_body(provider_info(alias=pk), request))


class PresetViewSet(Door):
    """Presets of this site, and which providers can do each."""

    pagination_class = None

    def list(self, request: Request) -> Response:
        """Every preset; `?provider=` leaves only what that provider can do."""
        alias = request.query_params.get("provider")
        found = (
            presets_for(provider_info(alias=alias).capabilities)
            if alias
            else tuple(all_presets().values())
        )
        offered = {info.alias: info.capabilities for info in providers()}
        return Response([_preset_body(preset, offered) for preset in found])


def _known(alias: str) -> str:
    if alias not in provider_aliases():
        raise Http404
    return alias


def _body(info: ProviderInfo, request: Request) -> dict[str, Any]:
    body = {
        "alias": info.alias,
        "is_default": info.is_default,
        "state": info.condition.value,
        "ask_again_at": info.ask_again_at,
        **_capabilities_body(info.capabilities),
    }
    if may_see_credits(request):
        charges = info.capabilities.credits_per_send > 0
        body["credits"] = balance_body(info.balance) if charges else None
    return body


def _capabilities_body(can: Capabilities) -> dict[str, Any]:
    limits = get_settings().limits
    return {
        "is_remote": can.leaves_server,
        "region": can.region,
        "copy_kept_seconds": can.copy_kept_seconds,
        "credits_per_photo": can.credits_per_send,
        "can_repeat": can.can_repeat,
        "operations": {
            str(operation): {"available": not reason, "reason": reason}
            for operation, reason in can.operations.items()
        },
        "combinations": [sorted(names) for names in can.combinations],
        "scales": can.scales,
        "picks_scale": can.picks_scale,
        "image_types": sorted(can.image_types),
        "backgrounds": sorted(can.backgrounds),
        "any_background_colour": can.any_background_colour,
        "dpi": {"lowest": can.dpis[0], "highest": can.dpis[1]},
        "formats": sorted(can.formats),
        "limits": {
            "bytes": limits.max_bytes,
            "megapixels": limits.max_megapixels,
            "result_side": min(can.max_result_side, limits.max_result_side),
            "photos_per_batch": limits.max_photos_per_batch,
            "bytes_per_batch": limits.max_bytes_per_batch,
            "credits_per_batch": limits.max_credits_per_batch,
        },
    }


def _preset_body(preset: Preset, offered: dict[str, Capabilities]) -> dict[str, Any]:
    wish = preset.enhancement
    return {
        "name": preset.name,
        "label": str(preset.label),
        "operations": wish.operations,
        "image_type": wish.image_type,
        "scale": wish.scale,
        "background": wish.background.name if wish.background else "",
        "dpi": wish.dpi,
        "providers": [alias for alias, can in offered.items() if not wish.problems(can)],
    }
