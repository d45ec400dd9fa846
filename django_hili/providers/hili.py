"""The Hili PhotoEnhance API, version 2: how its requests look and how its answers read.

Owns the vendor's field names and words for version 2. The order of events, the account and the
connections are `hili_account.py`'s; what an answer means is `hili_replies.py`'s.
What leaves is this list of fields and the photo.
Clauses C08, C12: HILI-3.1.1b, HILI-API-8, PIXEL-5.1b.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.providers.hili_account import (
    COPY_KEPT_SECONDS,
    MAX_RESULT_SIDE,
    HiliAccount,
    States,
    all_or_raise,
)
from django_hili.providers.hili_replies import Call, states_in, unreadable
from django_hili.providers.remote import Barrier, RemoteStage, RemoteState, Upload
from django_hili.vocabulary import Background, Capabilities, Enhancement, ImageType, Operation

# The vendor's own order in its presets: clear the picture first, change it afterwards.
_ORDER: Final = (
    Operation.DEFOGGING,
    Operation.SCRATCH,
    Operation.REPAIR,
    Operation.COLOUR,
    Operation.SR,
    Operation.BG,
)
_TYPES: Final = {
    ImageType.PEOPLE: "people",
    ImageType.CARTOON: "cortoon",  # spelt so by the vendor
    ImageType.LANDSCAPE: "landscape",
    ImageType.PORTRAIT: "portrait",
    ImageType.TEXT: "text",
}
_BACKGROUNDS: Final = {
    "transparent": "-1",
    "gradient_grey": "1",
    **{name: ",".join(map(str, rgb)) for name, rgb in Background.NAMED.items() if rgb},
}
_DPI: Final = 300
MOST_HANDLES: Final = 100
_SMALLEST_BATCH: Final = 3
"""Fewer are asked about one by one: that tells at once which of them is the culprit."""


class HiliProvider(HiliAccount):
    """Enhances photos with the Hili service, version 2 of its API."""

    handles_per_call = MOST_HANDLES
    paths = {
        Call.UPLOAD: "/api/third/uploads",
        Call.AGAIN: "/api/third/uploads",
        Call.STATUS: "/api/third/status",
        Call.DOWNLOAD: "/api/third/download",
        Call.CREDITS: "/api/third/company/nums",
    }

    @property
    def capabilities(self) -> Capabilities:
        """Everything the documents list."""
        return Capabilities(
            operations=dict.fromkeys(Operation),
            picks_scale=True,
            image_types=frozenset(_TYPES),
            backgrounds=frozenset(_BACKGROUNDS),
            dpis=(_DPI, _DPI),
            max_result_side=MAX_RESULT_SIDE,
            credits_per_send=1,
            can_repeat=True,
            leaves_server=True,
            processor="hili",
            region="CN",
            copy_kept_seconds=COPY_KEPT_SECONDS,
        )

    def check(self, enhancement: Enhancement) -> None:
        """Raise `InvalidOptionsError` for what version 2 has no field for."""
        enhancement.check(self.capabilities)

    async def send(self, upload: Upload, enhancement: Enhancement, *, barrier: Barrier) -> str:
        """Send a photo; `platform`, which the vendor needs, travels in the last bytes."""
        self.check(enhancement)
        return await self._send(
            Call.UPLOAD,
            _fields(enhancement),
            last={"platform": self._setup.platform},
            barrier=barrier,
            upload=upload,
        )

    async def send_again(self, handle: str, enhancement: Enhancement, *, barrier: Barrier) -> str:
        """Have a photo processed again that the vendor still holds; it costs as a send does."""
        self.check(enhancement)
        return await self._send(
            Call.AGAIN,
            {**_fields(enhancement), "mdf": handle},
            last={"platform": self._setup.platform},
            barrier=barrier,
        )

    async def states(self, handles: Sequence[str]) -> States:
        """Ask about up to 100 photos in one call; find the culprit where one spoils the batch."""
        if len(handles) > MOST_HANDLES:
            raise ValueError(f"at most {MOST_HANDLES} handles can be asked about at once")
        if len(handles) < _SMALLEST_BATCH or self.handles_per_call == 1:
            return all_or_raise(await self._one_by_one(handles))
        found: dict[str, RemoteState | ProviderError] = {}
        try:
            found = states_in(await self._ask(Call.STATUS, self._question(handles)), handles)
        except ProviderError as error:
            if error.code is Code.PROVIDER_COPY_GONE:
                return all_or_raise(await self._by_halves(handles))
            if error.retryable:
                raise
            # A refusal that speaks of one photo, or of asking about several at all.
        answered = len(found)
        if missing := [handle for handle in handles if handle not in found]:
            found.update(await self._one_by_one(missing))
            if answered <= 1 and all(_is_known(found[handle]) for handle in missing):
                # The documents know no batches: this server answers for one photo a call.
                self.handles_per_call = 1
        return all_or_raise(found)

    async def _by_halves(self, handles: Sequence[str]) -> States:
        """Ask again in halves: one bad id among 100 costs some 14 calls more, not 100."""
        middle = len(handles) // 2
        halves = handles[:middle], handles[middle:]
        answers = await asyncio.gather(*map(self._part, halves))
        return {handle: state for answer in answers for handle, state in answer.items()}

    async def _part(self, handles: Sequence[str]) -> States:
        try:
            return await self.states(handles)
        except ProviderError as error:
            return dict.fromkeys(handles, error)

    async def _state_of(self, handle: str) -> RemoteState | ProviderError:
        data = await self._ask(Call.STATUS, self._question([handle]))
        found = states_in(data, [handle])
        return found.get(handle) or unreadable(Call.STATUS, "no word about the photo asked about")

    def _question(self, handles: Sequence[str]) -> dict[str, str | Sequence[str]]:
        return {"mdf": handles, "platform": self._setup.platform}


def _is_known(state: RemoteState | ProviderError) -> bool:
    return isinstance(state, RemoteState) and state.stage is not RemoteStage.GONE


def _fields(enhancement: Enhancement) -> dict[str, str]:
    fields = {
        "seq": ",".join(op.value for op in _ORDER if op in enhancement.operations),
        "type": _TYPES[enhancement.image_type],
        "dpi": str(enhancement.dpi),
    }
    if enhancement.scale is not None:
        fields["rate"] = str(enhancement.scale)
    if enhancement.background is not None:
        fields["rgb"] = _BACKGROUNDS[enhancement.background.name]
    return fields
