"""The contract every provider keeps. Owns the shapes that pass between a job and a provider.

Knows no models and no storage: a provider gets bytes and options and gives bytes back.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django_hili.codes import Code
from django_hili.vocabulary import Capabilities, Enhancement

Report = Callable[[str, float], None]
"""Called with the name of the stage and the fraction of it that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A clean photo on its way to a provider."""

    content: bytes
    content_type: str
    mask: bytes | None = None
    """What scratch shall fill, drawn by hand: a picture as large as the photo, white on black.
    Given only where the capabilities say `takes_masks`.
    """
    wants_mask: bool = False
    """Whether `EnhancedPhoto.mask` is asked for, where the capabilities say `takes_masks`."""


@dataclass(frozen=True, slots=True)
class Step:
    """What was done for one operation, as honestly as the provider can say."""

    operation: str
    method: str
    confidence: float | None = None
    """0 to 1, or None where the provider does not say."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EnhancedPhoto:
    """What came back: a finished file, without metadata but for resolution and mark."""

    content: bytes
    content_type: str
    width: int
    height: int
    steps: tuple[Step, ...] = ()
    warnings: tuple[Code, ...] = ()
    mask: bytes | None = None
    """What scratch has filled, as a PNG as large as the photo was, white on black; if wanted."""


@dataclass(frozen=True, slots=True)
class Caution:
    """Something that works as it is set up, and is unsafe or not meant for a real site."""

    code: str
    text: str
    hint: str


class Provider(abc.ABC):
    """Somebody who enhances photos. One instance serves one worker and one event loop.

    There are two kinds: a `DirectProvider` answers with the finished photo, a `RemoteProvider`
    takes the photo, works on it elsewhere, and is asked for it later.
    """

    def __init__(self, alias: str, options: Mapping[str, Any]) -> None:
        self.alias = alias
        self.options = options

    @property
    @abc.abstractmethod
    def capabilities(self) -> Capabilities:
        """What can be asked for. Known without a network and without loading a model."""

    async def aclose(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of processes and connections. The instance is not used again."""

    def problems(self) -> tuple[str, ...]:
        """Say what is wrong with this provider's set-up, for system checks. No network."""
        return ()

    def cautions(self) -> tuple[Caution, ...]:
        """Say what is set up on purpose and still unsafe, at every look. No network."""
        return ()

    def secrets(self) -> tuple[str, ...]:
        """Return what must never stand in a row or a log, so that somebody can search for it.

        May raise what a function in `options` raises.
        """
        return ()

    def __repr__(self) -> str:
        """Name the alias alone: options may hold secrets."""
        return f"<{type(self).__name__} {self.alias!r}>"


class DirectProvider(Provider):
    """Takes a photo and answers with the finished one in the same call."""

    @abc.abstractmethod
    async def enhance(
        self, photo: Photo, enhancement: Enhancement, report: Report
    ) -> EnhancedPhoto:
        """Enhance one photo. Raises `ProviderError`; nothing is left behind if it does."""
