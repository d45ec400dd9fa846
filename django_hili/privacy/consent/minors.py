"""Guardians. Owns the interface by which a host says whether somebody speaks for a child.

The app asks for an age band and never for a birth date; whether somebody is a guardian only the
host can find out. Without a verifier nobody under age can agree to anything.
Clauses C10: HILI-7a, AIART-7.1, PIXEL-7.1, PIXEL-7.2, MIAO-9.1, MIAO-9.2.
"""

from __future__ import annotations

from typing import Protocol

from django.utils.module_loading import import_string

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.exceptions import HiliConfigurationError, PrivacyRefusedError
from django_hili.privacy.consent.gate import GUARDIANS_ONLY


class GuardianVerifier(Protocol):
    """What `HILI["PRIVACY"]["GUARDIAN_VERIFIER"]` names: a callable of the host's."""

    def __call__(self, *, user_key: str, proof: str) -> bool:
        """Say whether `proof` shows that a guardian of this user agrees."""
        ...


def check_guardian(*, user_key: str, proof: str) -> None:
    """Ask the host's verifier. Raises `PrivacyRefusedError` unless it says yes."""
    verifier = guardian_verifier()
    if verifier is None or not proof or verifier(user_key=user_key, proof=proof) is not True:
        clauses = get_settings().privacy.effective.clauses("guardian_below")
        raise PrivacyRefusedError(
            Code.GUARDIAN_NEEDED, clauses=tuple(sorted({*clauses, *GUARDIANS_ONLY}))
        )


def guardian_verifier() -> GuardianVerifier | None:
    """Return the host's verifier. Raises `HiliConfigurationError` if it cannot be imported."""
    path = get_settings().privacy.guardian_verifier
    if not path:
        return None
    try:
        verifier: GuardianVerifier = import_string(path)
    except ImportError as error:
        raise HiliConfigurationError(
            f'HILI["PRIVACY"]["GUARDIAN_VERIFIER"] cannot be imported: {error}.'
        ) from error
    return verifier
