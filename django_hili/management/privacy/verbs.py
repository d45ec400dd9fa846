"""All verbs of `hili_privacy`, in the order in which its help names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django_hili.management.privacy import (
    access,
    age,
    anchor,
    audit,
    drill,
    erase,
    export,
    give_up,
    publish,
    replay,
    report,
    sweep,
    wind_down,
)
from django_hili.management.privacy.verb import Verb

VERBS: Final[Mapping[str, Verb]] = {
    "sweep": sweep.VERB,
    "audit": audit.VERB,
    "erase": erase.VERB,
    "age": age.VERB,
    "export": export.VERB,
    "publish": publish.VERB,
    "anchor": anchor.VERB,
    "replay": replay.VERB,
    "give-up": give_up.VERB,
    "wind-down": wind_down.VERB,
    "drill": drill.VERB,
    "access": access.VERB,
    "report": report.VERB,
}
