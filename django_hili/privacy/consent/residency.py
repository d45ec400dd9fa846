"""Where this site's parts lie, by what they declare. Knows no photo and decides nothing.

Clauses C15: HILI-4.1, AIART-4.1c, PIXEL-3.2, MIAO-5.1, MIAO-7.8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django_hili.conf import REGION_PARTS, get_settings
from django_hili.privacy.consent.processors import processors


def store_regions() -> Mapping[str, str]:
    """Return the region of each part of this site; what says nothing is at home."""
    privacy = get_settings().privacy
    return {part: privacy.regions.get(part) or privacy.home_region for part in REGION_PARTS}


def residency_problems() -> Iterator[str]:
    """Yield what is wrong with the regions of this site and its processors."""
    privacy = get_settings().privacy
    outside = processors()
    if outside and not privacy.home_region:
        names = ", ".join(processor.name for processor in outside)
        yield f"Photos may be sent to {names}, but HOME_REGION does not say where they come from."
    name = "regions_in_china" if privacy.home_region == "CN" else "regions_elsewhere"
    words: frozenset[str] = getattr(privacy.effective, name)
    allowed = {privacy.home_region if word == "home" else word for word in words}
    clauses = ", ".join(privacy.effective.clauses(name))
    for part, region in store_regions().items():
        if region not in allowed:
            yield f"The {part} lies in {region}, which the profile forbids. Clauses: {clauses}."
