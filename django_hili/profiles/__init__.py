"""What a privacy policy promises, as frozen values that can be compared and combined.

Owns the profiles and their order: of two values for the same thing one is the stricter. Plain
Python that knows neither Django nor a photo; the settings below everything else are read
against it.
"""

from django_hili.profiles.order import Ground, Origin, Rule
from django_hili.profiles.profile import (
    CHANGE_KINDS,
    ChangeKind,
    Explanation,
    Profile,
    from_parameters,
    tighten,
)
from django_hili.profiles.shipped import PROFILES, find_profile

__all__ = [
    "CHANGE_KINDS",
    "PROFILES",
    "ChangeKind",
    "Explanation",
    "Ground",
    "Origin",
    "Profile",
    "Rule",
    "find_profile",
    "from_parameters",
    "tighten",
]
