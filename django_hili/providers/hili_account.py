"""What both versions of the Hili API share: the account, the order of events, the way home.

Owns one account's connections and clock, when a failed send is in doubt, and how a result is
fetched. How a request looks and how an answer reads is said by `hili.py` and `hili_v1.py`.
"""

from __future__ import annotations

import abc
import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django_hili.codes import Code
from django_hili.exceptions import HiliConfigurationError, ProviderError
from django_hili.providers.addresses import Resolver, system_resolver
from django_hili.providers.base import Caution
from django_hili.providers.exchange import Answer, Arrival, Passage
from django_hili.providers.hili_replies import (
    BAD_TOKEN,
    Call,
    address_in,
    credits_in,
    errno_of,
    handle_in,
    read,
    state_of_error,
)
from django_hili.providers.hili_setup import Giver, Reader, Setup, cautions_of
from django_hili.providers.hili_tokens import Clock
from django_hili.providers.http import Connections
from django_hili.providers.multipart import Fields, Form
from django_hili.providers.remote import (
    Barrier,
    Charging,
    RemoteProvider,
    RemoteState,
    Sink,
    Upload,
)
from django_hili.vocabulary import Enhancement

COPY_KEPT_SECONDS = 3600
"""The vendor deletes a photo one hour after it is done."""
MAX_RESULT_SIDE = 6000
_MOST_REDIRECTS = 2
_REDIRECTS = (301, 302, 303, 307, 308)
_GONE_STATUSES = (404, 410)
_OK, _TOO_MANY = 200, 429
_SLOTS_FOR_CALLS = 4
_GENERAL = (
    Code.PROVIDER_DOWN,
    Code.PROVIDER_BUSY,
    Code.PROVIDER_BAD_CREDENTIALS,
    Code.PROVIDER_NO_CREDITS,
)

States = Mapping[str, RemoteState | ProviderError]
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


class HiliAccount(RemoteProvider):
    """One account with the vendor. See `Setup` for the options it takes."""

    paths: ClassVar[Mapping[Call, str]]
    """Where each call goes, below the base address."""

    def __init__(
        self, alias: str, options: Mapping[str, Any], *, resolve: Resolver = system_resolver
    ) -> None:
        super().__init__(alias, options)
        reader = Reader(options)
        self._setup: Setup = reader.read()
        self._problems = tuple(reader.problems)
        self.is_exclusive = self._setup.is_exclusive
        self.max_in_doubt = self._setup.max_in_doubt
        self.low_credits = self._setup.low_credits
        self._resolve = resolve
        self._clock = Clock()
        # Apart, so that a small question never waits behind photos.
        self._sends = self._connections(self._setup.slots)
        self._results = self._connections(self._setup.slots)
        self._calls = self._connections(_SLOTS_FOR_CALLS)

    @property
    def charging(self) -> Charging:
        """When a credit is taken, as the site says."""
        return self._setup.charging

    @property
    def clock_difference_seconds(self) -> float | None:
        """How far the vendor's clock is ahead of ours by its last answer; None before the first."""
        return self._clock.difference

    def problems(self) -> tuple[str, ...]:
        """Say what is missing or wrong in `OPTIONS`. No network, and no secret is asked for."""
        return self._problems

    def cautions(self) -> tuple[Caution, ...]:
        """Warn of plain http, and of a service on this machine, which is no vendor."""
        return cautions_of(self._setup)

    def secrets(self) -> tuple[str, ...]:
        """Return the secret key and the service's host; what a function raises comes out."""
        return self._setup.secret_key(), urlsplit(self._setup.base_url).netloc

    async def aclose(self) -> None:
        """Close every connection."""
        for connections in (self._sends, self._results, self._calls):
            await connections.aclose()

    async def credits(self) -> int:
        """Return how many credits are left."""
        return credits_in(await self._ask(Call.CREDITS, {}))

    async def fetch(self, handle: str, sink: Sink, *, max_bytes: int) -> int:
        """Ask where the result is, judge the address, and stream the file into `sink`."""
        try:
            data = await self._ask(Call.DOWNLOAD, {"mdf": handle})
        except ProviderError as error:
            if self.charging is Charging.UPLOAD:
                error.charged = False
            raise
        try:
            return await self._bring(address_in(data), sink, max_bytes)
        except ProviderError as error:
            # The result was granted, whatever came of it.
            error.charged = self.charging is Charging.DOWNLOAD
            raise

    async def _bring(self, address: str, sink: Sink, max_bytes: int) -> int:
        target = await self._setup.results.check(address, self._resolve)
        for _ in range(1 + _MOST_REDIRECTS):
            arrival = await self._results.get(
                target, sink, max_bytes=max_bytes, within=self._setup.timeouts.fetch
            )
            if arrival.status not in _REDIRECTS:
                return _size_of(arrival)
            target = await self._setup.results.check(
                arrival.location, self._resolve, base=target.address
            )
        raise ProviderError(Code.RESULT_ADDRESS_REFUSED, vendor_words="too many redirects")

    @abc.abstractmethod
    def check(self, enhancement: Enhancement) -> None:
        """Raise `InvalidOptionsError` for what cannot be expressed. Nothing has been sent."""

    @abc.abstractmethod
    async def _state_of(self, handle: str) -> RemoteState | ProviderError:
        """Ask about one photo; a `ProviderError` may be raised or returned."""

    async def _one_by_one(self, handles: Sequence[str]) -> States:
        """Ask about each photo by itself, a few at a time; stop when the vendor is away."""
        found: dict[str, RemoteState | ProviderError] = {}
        for start in range(0, len(handles), _SLOTS_FOR_CALLS):
            few = handles[start : start + _SLOTS_FOR_CALLS]
            states = await asyncio.gather(*map(self._single, few))
            found.update(zip(few, states, strict=True))
            if general := next((state for state in states if is_general(state)), None):
                found.update(dict.fromkeys(handles[start + len(few) :], general))
                break
        return found

    async def _single(self, handle: str) -> RemoteState | ProviderError:
        try:
            return await self._state_of(handle)
        except ProviderError as error:
            return state_of_error(error)

    async def _send(
        self,
        call: Call,
        fields: Fields,
        *,
        last: Fields,
        barrier: Barrier,
        upload: Upload | None = None,
    ) -> str:
        """Send a form whose last bytes wait for the barrier; return the handle."""
        passage = Passage(barrier)
        offset = self._clock.offset
        answer: Answer | None = None
        try:
            form = Form({"third_code": self._third_code(), **fields}, last, upload)
            answer = await self._sends.post(
                self._address(call),
                form,
                headers=self._token(),
                within=self._setup.timeouts.send,
                passage=passage,
            )
            self._clock.saw(answer.date)
            handle = handle_in(call, read(call, answer))
            if passage.is_open:
                return handle
            # Accepted without its last bytes: what the vendor holds is not the photo.
            failure = ProviderError(Code.SEND_UNKNOWN, vendor_words="accepted too early")
        except ProviderError as error:
            if error is passage.error:
                raise
            failure = self._settled(error, passage, answer, offset)
        raise failure

    def _settled(
        self, error: ProviderError, passage: Passage, answer: Answer | None, offset: float
    ) -> ProviderError:
        """Say what a failed send means for the credit."""
        if answer is not None and self._learns(answer, offset):
            return ProviderError(
                Code.PROVIDER_CLOCK_LEARNED, retryable=True, retry_after=0.0, charged=False
            )
        if error.charged is not None:
            return error
        if passage.is_open and self.charging is Charging.UPLOAD:
            code, is_doubtful = Code.SEND_UNKNOWN, True
        else:
            # A send that cannot have cost anything is free to try again.
            is_vague = error.code is Code.SEND_UNKNOWN
            code = Code.PROVIDER_ANSWER_UNREADABLE if is_vague else error.code
            is_doubtful = False
        return ProviderError(
            code,
            retryable=not is_doubtful,
            retry_after=error.retry_after,
            charged=None if is_doubtful else False,
            vendor_words=error.vendor_words,
        )

    async def _ask(self, call: Call, fields: Fields) -> Mapping[str, Any]:
        """Make a small call, once more if only the clock was wrong, and return its data."""
        offset = self._clock.offset
        try:
            answer = await self._post(call, fields)
            if self._learns(answer, offset):
                answer = await self._post(call, fields)
            return read(call, answer)
        except ProviderError as error:
            if call is not Call.DOWNLOAD:
                error.charged = False
            raise

    async def _post(self, call: Call, fields: Fields) -> Answer:
        form = Form({"third_code": self._third_code(), **fields})
        return await self._calls.post(
            self._address(call),
            form,
            headers=self._token(),
            within=self._setup.timeouts.call,
        )

    def _learns(self, answer: Answer, offset: float) -> bool:
        self._clock.saw(answer.date)
        refused = errno_of(answer) == BAD_TOKEN
        return refused and self._clock.learn(answer.date, offset_used=offset)

    def _address(self, call: Call) -> str:
        if self._problems:
            raise HiliConfigurationError(f"The provider {self.alias!r}: {self._problems[0]}")
        return self._setup.base_url + self.paths[call]

    def _token(self) -> dict[str, str]:
        return {"token": self._clock.token(self._given(self._setup.secret_key, "secret_key"))}

    def _third_code(self) -> str:
        return self._given(self._setup.third_code, "third_code")

    def _given(self, give: Giver, name: str) -> str:
        value, trouble = "", ""
        try:
            value = give()
        except Exception as error:  # noqa: BLE001 - a secret store that is away, by any error
            trouble = type(error).__name__
        if trouble:
            # Raised out here, so that no tracker finds what the store said: it may be secret.
            # Photos wait for it, as for credentials that are refused; none has left.
            words = f"OPTIONS[{name!r}] raised {trouble}"
            raise ProviderError(
                Code.PROVIDER_BAD_CREDENTIALS, retryable=True, charged=False, vendor_words=words
            )
        if _PRINTABLE.fullmatch(value):
            return value
        raise HiliConfigurationError(
            f"The provider {self.alias!r}: OPTIONS[{name!r}] gives no printable text."
        )

    def _connections(self, slots: int) -> Connections:
        return Connections(slots=slots, timeouts=self._setup.timeouts, ca_file=self._setup.ca_file)


def is_general(state: RemoteState | ProviderError) -> bool:
    """Tell whether an error is about the vendor or the account, not about one photo."""
    return isinstance(state, ProviderError) and state.code in _GENERAL


def all_or_raise(found: States) -> States:
    """Return what was found, or raise where every answer is one and the same trouble."""
    states = list(found.values())
    if states and isinstance(states[0], ProviderError) and all(map(is_general, states)):
        raise states[0]
    return found


def _size_of(arrival: Arrival) -> int:
    """Return the size of a file that arrived, or raise what its status means."""
    if arrival.status == _OK:
        if arrival.size:
            return arrival.size
        raise ProviderError(Code.RESULT_INVALID, retryable=True, vendor_words="empty file")
    words = f"result file: HTTP {arrival.status}"
    if arrival.status in _GONE_STATUSES:
        raise ProviderError(Code.PROVIDER_COPY_GONE, vendor_words=words)
    code = Code.PROVIDER_BUSY if arrival.status == _TOO_MANY else Code.PROVIDER_DOWN
    raise ProviderError(code, retryable=True, retry_after=arrival.retry_after, vendor_words=words)
