"""The Hili PhotoEnhance API, version 1, for partners whose account is that old.

Owns the vendor's field names and words for version 1, and refuses what it cannot say. Everything
else is shared with version 2.
Its result addresses are secrets like those of version 2. Clauses C20, C27: HILI-FR-2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django_hili.exceptions import ProviderError
from django_hili.providers.hili_account import (
    COPY_KEPT_SECONDS,
    MAX_RESULT_SIDE,
    HiliAccount,
    States,
    all_or_raise,
)
from django_hili.providers.hili_replies import Call, state_in_v1
from django_hili.providers.remote import Barrier, RemoteState, Upload
from django_hili.vocabulary import (
    DEFAULT_DPI,
    Background,
    Capabilities,
    Enhancement,
    ImageType,
    Operation,
)

_REPAIR_TYPES: Final = {
    frozenset({Operation.SR}): "sr",
    frozenset({Operation.SR, Operation.REPAIR}): "sr,repair",
    frozenset({Operation.SR, Operation.REPAIR, Operation.COLOUR}): "sr,repair,colour",
    frozenset({Operation.BG}): "bg",
}
"""The only four values of `repair_type`."""

_SCALE: Final = 2
"""Version 1 has no field for a scale. Nothing larger than the smallest may be promised."""


class HiliV1Provider(HiliAccount):
    """Enhances photos with the Hili service, version 1 of its API."""

    paths = {
        Call.UPLOAD: "/api/third/photo/upload",
        Call.STATUS: "/api/third/photo/status",
        Call.DOWNLOAD: "/api/third/photo/download",
        Call.CREDITS: "/api/third/company/nums",
    }

    @property
    def capabilities(self) -> Capabilities:
        """The four repair types, and a plain colour for the background."""
        offered = frozenset().union(*_REPAIR_TYPES)
        return Capabilities(
            operations={op: None if op in offered else "not_offered" for op in Operation},
            combinations=tuple(_REPAIR_TYPES),
            scales=(_SCALE,),
            picks_scale=True,
            image_types=frozenset({ImageType.PEOPLE}),
            backgrounds=frozenset(name for name, rgb in Background.NAMED.items() if rgb),
            any_background_colour=True,
            # Written by nobody; the default must pass, anything else cannot be asked for.
            dpis=(DEFAULT_DPI, DEFAULT_DPI),
            max_result_side=MAX_RESULT_SIDE,
            credits_per_send=1,
            leaves_server=True,
            processor="hili",
            region="CN",
            copy_kept_seconds=COPY_KEPT_SECONDS,
        )

    def check(self, enhancement: Enhancement) -> None:
        """Raise `InvalidOptionsError` for everything but the four repair types."""
        enhancement.check(self.capabilities)

    async def send(self, upload: Upload, enhancement: Enhancement, *, barrier: Barrier) -> str:
        """Send a photo; `repair_type`, which the vendor needs, travels in the last bytes."""
        self.check(enhancement)
        last = {"repair_type": _REPAIR_TYPES[frozenset(enhancement.operations)]}
        background = enhancement.background
        if background is not None and background.rgb is not None:
            last["rgb"] = ",".join(map(str, background.rgb))
        return await self._send(Call.UPLOAD, {}, last=last, barrier=barrier, upload=upload)

    async def states(self, handles: Sequence[str]) -> States:
        """Ask about each photo by itself: version 1 knows no batches."""
        return all_or_raise(await self._one_by_one(handles))

    async def _state_of(self, handle: str) -> RemoteState | ProviderError:
        return state_in_v1(await self._ask(Call.STATUS, {"mdf": handle}))
