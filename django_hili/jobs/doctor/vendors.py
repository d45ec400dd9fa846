"""The providers: set-up, credentials, reachability, clock, credits; the local engine at work.

A remote provider is asked one thing that costs nothing: how many credits are left. A direct one
that works on this machine enhances a tiny made picture, under its own limits.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from PIL import Image

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.jobs.doctor.findings import Area, Finding, Level, Sign, counted, in_words
from django_hili.models import Breaker, ProviderState
from django_hili.providers.base import DirectProvider, EnhancedPhoto, Photo
from django_hili.providers.registry import build_provider
from django_hili.providers.remote import RemoteProvider
from django_hili.vocabulary import Capabilities, Enhancement, Operation

PATIENCE = 60.0
"""Seconds that a provider has to answer."""
NOTABLE_DIFFERENCE = 30.0
"""Seconds between two clocks from which on one of them should be set."""
_SAMPLE = (48, 32)
_RELEASES = {
    Breaker.NO_CREDITS: "Buy credits; sends then go on within a minute.",
    Breaker.BAD_CREDENTIALS: "Correct the credentials; sends then go on within a minute.",
    Breaker.DOWN: "Nothing, if the provider comes back; else ask its operator.",
}


def look_at_providers(aliases: Sequence[str], *, offline: bool) -> Iterator[Finding]:
    """Yield what is to be said of each provider."""
    for alias in aliases:
        yield from _look_at(alias, offline=offline)


def _look_at(alias: str, *, offline: bool) -> Iterator[Finding]:
    try:
        provider = build_provider(alias)
        problems = provider.problems()
    except ImproperlyConfigured as error:
        problems = (str(error),)
    if problems:
        for problem in problems:
            yield _misconfigured(alias, problem)
        return
    for caution in provider.cautions():
        yield _about(alias, Level.WARNING, Sign(caution.code), caution.text, caution.hint)
    yield from _state(alias, is_exclusive=getattr(provider, "is_exclusive", False))
    if isinstance(provider, RemoteProvider):
        yield from _not_asked(alias) if offline else asyncio.run(_ask(provider))
    elif isinstance(provider, DirectProvider):
        yield from asyncio.run(_try_out(provider))


def _misconfigured(alias: str, problem: str) -> Finding:
    step = f'Correct HILI["PROVIDERS"]["{alias}"].'
    return _about(alias, Level.ERROR, Sign.PROVIDER_MISCONFIGURED, problem, step)


def _about(
    alias: str, level: Level, sign: Sign, message: str, next_step: str = "", **facts: object
) -> Finding:
    return Finding(Area.PROVIDERS, level, sign, message, next_step, alias, facts)


# What the rows say.


def _state(alias: str, *, is_exclusive: bool) -> Iterator[Finding]:
    now = timezone.now()
    state = ProviderState.objects.filter(alias=alias).first()
    if state is None:
        return
    if state.is_paused:
        text, step = "It is paused by staff: its jobs wait.", "Resume it in the admin."
        yield _about(alias, Level.WARNING, Sign.PROVIDER_PAUSED, text, step)
    if state.breaker and state.ask_again_at and state.ask_again_at > now:
        rest = (state.ask_again_at - now).total_seconds()
        breaker = Breaker(state.breaker)
        text = f"Sends are held back ({breaker.value}); the next try is in {in_words(rest)}."
        yield _about(
            alias, Level.WARNING, Sign.PROVIDER_HELD_BACK, text, _RELEASES[breaker],
            failures=state.failures, seconds_left=round(rest),
        )  # fmt: skip
    if state.is_shared and is_exclusive:
        yield _about(
            alias,
            Level.WARNING,
            Sign.ACCOUNT_SHARED,
            "Credits went that this site did not spend: the count settles no doubtful send.",
            "If a package has lapsed, let the count settle doubts again on the provider's page in "
            'the admin. If somebody else spends, remove "exclusive_account" from its OPTIONS, or '
            "give this site an account of its own.",
        )


def _not_asked(alias: str) -> Iterator[Finding]:
    text = "It was not asked."
    state = ProviderState.objects.filter(alias=alias, credits_at__isnull=False).first()
    if state is None or state.credits_at is None:
        yield _about(alias, Level.OK, Sign.PROVIDER_NOT_ASKED, text)
        return
    age = (timezone.now() - state.credits_at).total_seconds()
    text = f"{text} {counted(state.credits or 0, 'credit')} left when counted {in_words(age)} ago."
    yield _about(
        alias, Level.OK, Sign.PROVIDER_NOT_ASKED, text,
        credits=state.credits, credits_age_seconds=round(age),
    )  # fmt: skip


# What a remote provider says.


async def _ask(provider: RemoteProvider) -> list[Finding]:
    began = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            provider.secrets()  # what its functions raise comes out here, and not of a call
            left = await provider.credits()
    except ProviderError as error:
        return [_trouble(provider, error), *_clock(provider)]
    except TimeoutError:
        return [_trouble(provider, ProviderError(Code.PROVIDER_DOWN, vendor_words="no answer"))]
    except ImproperlyConfigured as error:
        return [_misconfigured(provider.alias, str(error))]
    except Exception as error:  # noqa: BLE001 - a function that gives a secret may raise anything
        text = f"It could not be asked: {type(error).__name__}, perhaps where a secret is read."
        step = "Call the functions in its OPTIONS in `manage.py shell`."
        return [_about(provider.alias, Level.ERROR, Sign.SECRET_UNREADABLE, text, step)]
    finally:
        await provider.aclose()
    return [_credits(provider, left, time.monotonic() - began), *_clock(provider)]


def _credits(provider: RemoteProvider, left: int, seconds: float) -> Finding:
    facts: dict[str, Any] = {"credits": left, "answered_in_seconds": round(seconds, 3)}
    if left <= 0:
        text = "It answers and takes the credentials; no credits are left: its jobs wait."
        step = "Buy credits; the jobs then go on by themselves."
        return _about(provider.alias, Level.ERROR, Sign.CREDITS_NONE, text, step, **facts)
    if provider.low_credits is not None and left <= provider.low_credits:
        text = f"It answers and takes the credentials; only {counted(left, 'credit')} left."
        step = f"Buy credits before they run out: the mark set is {provider.low_credits}."
        return _about(provider.alias, Level.WARNING, Sign.CREDITS_LOW, text, step, **facts)
    text = (
        f"It answers within {max(1, round(seconds * 1000))} ms and takes the credentials; "
        f"{counted(left, 'credit')} left."
    )
    return _about(provider.alias, Level.OK, Sign.PROVIDER_OK, text, **facts)


def _trouble(provider: RemoteProvider, error: ProviderError) -> Finding:
    """Say what an error of the harmless call means; the vendor's words hold no secret."""
    words = f" The provider's words: {error.vendor_words}." if error.vendor_words else ""
    level, sign, text, step = _TROUBLES.get(error.code, _UNREADABLE)
    return _about(provider.alias, level, sign, text + words, step, error=error.code.value)


_UNREADABLE = (
    Level.ERROR, Sign.PROVIDER_UNREADABLE,
    "Something answers, but not as the provider would.",
    "Check its address: a proxy, a portal or another service may stand there.",
)  # fmt: skip
_TROUBLES = {
    Code.PROVIDER_BAD_CREDENTIALS: (
        Level.ERROR, Sign.CREDENTIALS_REFUSED, "It refuses the credentials.",
        (
            "Check third_code and secret_key against what the provider gave out, and this "
            "server's clock: one over two minutes off is refused in the same words."
        ),
    ),
    Code.PROVIDER_DOWN: (
        Level.ERROR, Sign.PROVIDER_UNREACHABLE, "It does not answer.",
        "Check its address, the name service, the firewall and the certificate, from this server.",
    ),
    Code.PROVIDER_BUSY: (
        Level.WARNING, Sign.PROVIDER_BUSY, "It asks to be asked less often.",
        "Look again in a minute; if it stays, ask the provider for a higher limit.",
    ),
}  # fmt: skip


def _clock(provider: RemoteProvider) -> list[Finding]:
    difference = provider.clock_difference_seconds
    if difference is None or abs(difference) <= NOTABLE_DIFFERENCE:
        return []
    side = "ahead of" if difference > 0 else "behind"
    text = f"Its clock is {in_words(abs(difference))} {side} this server's."
    return [
        _about(
            provider.alias, Level.WARNING, Sign.CLOCK_DIFFERS, text,
            "Run a time service (chrony, systemd-timesyncd) on this server. Tokens are made by the "
            "learned time meanwhile.",
            clock_difference_seconds=round(difference),
        )
    ]  # fmt: skip


# What a provider on this machine does.


async def _try_out(provider: DirectProvider) -> list[Finding]:
    alias, can = provider.alias, provider.capabilities
    enhancement = _smallest(can)
    if can.leaves_server or can.credits_per_send or enhancement is None:
        text = "It was not tried: a photo would leave this server or cost something."
        return [_about(alias, Level.OK, Sign.PROVIDER_NOT_ASKED, text)]
    began = time.monotonic()
    try:
        result = await provider.enhance(_sample(), enhancement, lambda _stage, _done: None)
        _check(result)
    except ProviderError as error:
        return [_failed(alias, error.code.value)]
    except Exception as error:  # noqa: BLE001 - third parties raise what they like
        return [_failed(alias, type(error).__name__)]
    finally:
        await provider.aclose()
    seconds = time.monotonic() - began
    text = f"Its process started and enhanced a tiny photo in {seconds:.1f} s."
    return [_about(alias, Level.OK, Sign.ENGINE_OK, text, seconds=round(seconds, 3))]


def _failed(alias: str, reason: str) -> Finding:
    return _about(
        alias,
        Level.ERROR,
        Sign.ENGINE_FAILED,
        f"A tiny photo could not be enhanced ({reason}).",
        "Raise memory_limit or time_limit in its OPTIONS, name the interpreter as python where "
        "the server's executable is not Python, and look for an out-of-memory kill in the "
        "system's log.",
        error=reason,
    )


def _smallest(can: Capabilities) -> Enhancement | None:
    """Return the quickest thing the provider offers, if there is one that takes any photo."""
    if Operation.SR in can.offered:
        return Enhancement((Operation.SR,), scale=can.scales[0])
    plain = [name for name in can.offered if name is not Operation.BG]
    return Enhancement((plain[0],)) if plain else None


def _sample() -> Photo:
    """Make a picture that shows nobody."""
    picture = Image.linear_gradient("L").resize(_SAMPLE).convert("RGB")
    content = io.BytesIO()
    picture.save(content, "JPEG")
    return Photo(content.getvalue(), "image/jpeg")


def _check(result: EnhancedPhoto) -> None:
    """Raise where what came back is not the picture that was announced."""
    with Image.open(io.BytesIO(result.content)) as picture:
        picture.load()
        if picture.size != (result.width, result.height):
            raise ValueError("another size than announced")
