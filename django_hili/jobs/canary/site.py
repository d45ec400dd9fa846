"""What a site has to have for a trial, and whether it has it.

Owns the reasons not to begin: a trial leaves nothing behind, costs nothing and sends nothing away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django_hili.conf import get_settings
from django_hili.exceptions import HiliError, InvalidOptionsError
from django_hili.jobs.pause import is_paused
from django_hili.jobs.submit import basis_for, plan
from django_hili.media import sink
from django_hili.models import AgeBand, Basis, PolicyVersion, Purpose
from django_hili.privacy.audit.synthetic import Nobody
from django_hili.privacy.consent.consents import give_consent
from django_hili.privacy.consent.policies import version_in_force
from django_hili.privacy.erasure.winddown import refuse_if_ended
from django_hili.providers.base import DirectProvider
from django_hili.providers.registry import build_provider, capabilities_of, provider_aliases
from django_hili.vocabulary import Enhancement

_WISHES: Final[Sequence[dict[str, Any]]] = (
    {"operations": ["repair"]}, {"operations": ["sr"], "scale": 2}, {"operations": ["colour"]},
)  # fmt: skip


class CannotBeTriedError(Exception):
    """The site is not in a state in which anybody could have a photo enhanced on this machine."""


def check_the_site() -> None:
    """Raise `CannotBeTriedError` where the trial would change something, or could not end well."""
    alias = alias_on_this_machine()
    if is_paused(alias):
        raise CannotBeTriedError(f"The provider {alias!r} is paused: resume it first.")
    if basis_for(None) is Basis.CONSENT and not PolicyVersion.objects.exists():
        raise CannotBeTriedError("No policy is published, so nobody can agree: publish it first.")
    try:
        wish_for(alias)
        sink.refuse_if_behind()
        refuse_if_ended()
    except HiliError as error:
        raise CannotBeTriedError(str(error)) from error


def alias_on_this_machine() -> str:
    """Return a provider that sends nothing anywhere; the trial must cost nothing."""
    for alias in sorted(
        provider_aliases(), key=lambda name: name != get_settings().default_provider
    ):
        is_here = not capabilities_of(alias).leaves_server
        if is_here and isinstance(build_provider(alias), DirectProvider):
            return alias
    raise CannotBeTriedError(
        "No provider works on this machine, and a trial is never sent to another company: "
        'add {"local": {"BACKEND": "django_hili.providers.local.LocalProvider"}} to '
        'HILI["PROVIDERS"].'
    )


def wish_for(alias: str) -> Enhancement:
    """Return the first thing that the provider does. Raises `InvalidOptionsError`."""
    for wish in _WISHES:
        try:
            return plan(provider=alias, **wish)
        except InvalidOptionsError as error:
            last = error
    raise last


def agree(person: Nobody) -> None:
    """Agree to what the policy in force asks of everybody, and to no other company."""
    version = version_in_force()
    for notice in version.notices:
        is_core = notice["purpose"] in {Purpose.ENHANCE, Purpose.CROSS_BORDER}
        if is_core and not notice["processor"]:
            give_consent(
                subject=person, version=version.number, notice=notice["hash"],
                purpose=notice["purpose"], age_band=AgeBand.ADULT,
            )  # fmt: skip
