"""Looks through every place at each turn of a life, and counts what must not stand there.

Owns which words are asked for when. What a place is, and how it is read, is the residue's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from django_hili.conf import get_settings
from django_hili.jobs.canary.luggage import Words
from django_hili.jobs.canary.report import PlaceReport
from django_hili.privacy.audit.residue.files import PhotoFiles
from django_hili.privacy.audit.residue.look import Look, Place, is_seen, look
from django_hili.privacy.audit.residue.rows import DatabaseFile


class Lookout:
    """All looks at all places of one site, for the words of one life."""

    def __init__(
        self, words: Words, places: Sequence[Place], files: Sequence[DatabaseFile]
    ) -> None:
        self._words = words
        self._places = list(places)
        self._files = list(files)
        self._reports = {
            place.name: PlaceReport(place.name, is_seen(place)) for place in self._places
        } | {file.name: PlaceReport(file.name, is_seen=False) for file in self._files}

    @property
    def reports(self) -> list[PlaceReport]:
        """What was seen, place by place."""
        return list(self._reports.values())

    def look_before(self) -> None:
        """Look while the photo is there."""
        for place, seen in self._look(self._places, self._words.never):
            # Where the site has photos lie open, they are to be found as long as they live.
            is_open = isinstance(place, PhotoFiles) and not get_settings().vault.encrypt
            found = seen.found - set(self._words.pixels) if is_open else seen.found
            self._reports[place.name].found_before += len(found)

    def look_at_files(self) -> None:
        """Look for what stands in a row just now: who finds that sees every page."""
        witness = self._words.person.pk.encode()
        for place, seen in self._look(self._files, [witness, *self._words.never]):
            self._reports[place.name].is_seen = witness in seen.found
            self._reports[place.name].found_before += len(seen.found - {witness})

    def look_after(self, names: Collection[bytes]) -> None:
        """Look once everything was erased, for the names of what was stored as well."""
        words = [*self._words.never, *self._words.a_while, *names]
        for place, seen in self._look(self._places, words):
            self._reports[place.name].found_after += len(seen.found)
        # A free page may keep what stood in a deleted row; nothing of a photo ever did.
        for place, seen in self._look(self._files, self._words.never):
            self._reports[place.name].found_after += len(seen.found)

    def _look(
        self, places: Sequence[Place] | Sequence[DatabaseFile], words: Collection[bytes]
    ) -> Iterator[tuple[Any, Look]]:
        for place in places:
            seen = look(place.pieces(), words)
            self._reports[place.name].bytes_read += seen.bytes_read
            yield place, seen
