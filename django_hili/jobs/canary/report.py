"""What a synthetic life came to: of each place, and in all. Owns when that is clean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

STORED: Final = 2
"""Photos that a life leaves in the storage for a while: a source and a result."""


@dataclass(slots=True)
class PlaceReport:
    """What was seen in one place."""

    name: str
    is_seen: bool
    """Whether every word planted there was found, and none after it was taken out."""
    bytes_read: int = 0
    """In all looks but those at plants."""
    found_before: int = 0
    """Words that stood there while the photo did, and must not have."""
    found_after: int = 0
    """Words that stood there once everything was erased."""

    @property
    def is_clean(self) -> bool:
        """Whether the place can be seen and held nothing."""
        return self.is_seen and not self.found_before and not self.found_after


@dataclass(slots=True)
class CanaryReport:
    """What a synthetic life came to."""

    places: list[PlaceReport] = field(default_factory=list)
    not_looked_at: list[str] = field(default_factory=list)
    """Places of a kind that cannot be listed."""
    enhanced_by: str = ""
    """`worker` or `here`; empty where there was no result."""
    job_code: str = ""
    """Why there was none."""
    objects: int = 0
    """Stored photos that were to be erased."""
    receipts: int = 0
    """Of these, how many have exactly one receipt, in the database and in its copy."""
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether everything was seen, nothing is left and all of it is proved."""
        return (
            all(place.is_clean for place in self.places)
            and bool(self.enhanced_by)
            and self.is_proved
        )

    @property
    def is_proved(self) -> bool:
        """Whether source and result have their receipts."""
        return self.receipts == self.objects == STORED
