"""The errors of django-hili, drawn as one tree. Knows codes and words, nothing else.

    HiliError                     operational: a code, a sentence, perhaps a field
    ├── InvalidPhotoError         the bytes sent are not a photo we take
    ├── InvalidOptionsError       what was asked for cannot be done; lists every problem
    ├── ProviderError             a provider could not do its part; says whether to try again
    ├── WrongStateError           the job is not in a state that allows this
    ├── TooManyRequestsError      somebody asks more often than is answered
    ├── PrivacyRefusedError       what was asked may not happen to this photo; names the clauses
    ├── FrozenRowError            what was recorded is never changed
    ├── LostLeaseError            another worker owns the job now: stop, touch nothing
    └── StorageError              the storage failed or does not hold what it should
    HiliConfigurationError        the set-up is wrong; stands outside so that no retry hides it

Messages hold no URL, file name, key, body or user value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute

from django.core.exceptions import ImproperlyConfigured

from django_hili.codes import Code, sentence


class HiliError(Exception):
    """The root of everything that can go wrong while photos are enhanced."""

    def __init__(self, code: Code, /, **params: object) -> None:
        self.code = code
        self.params = params
        super().__init__(code.value)

    @property
    def sentence(self) -> str:
        """What the person reads, in the active language: what happened and what to do next."""
        return sentence(self.code, **self.params)

    def __str__(self) -> str:
        return f"{self.sentence} [{self.code}]"


class InvalidPhotoError(HiliError):
    """The bytes sent are not a photo this site takes. Nothing has been stored."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what was asked for."""

    field: str
    """The option at fault: operations, scale, image_type, background, dpi, preset, provider."""
    code: Code
    params: Mapping[str, object] = attribute(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What the person reads, in the active language."""
        return sentence(self.code, **self.params)


class InvalidOptionsError(HiliError):
    """What was asked for cannot be done by this provider. Lists every problem at once."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__(problems[0].code, **problems[0].params)


class ProviderError(HiliError):
    """A provider could not do its part. What is not `retryable` is final."""

    def __init__(
        self,
        code: Code,
        /,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        charged: bool | None = None,
        vendor_words: str = "",
    ) -> None:
        super().__init__(code)
        self.retryable = retryable
        self.retry_after = retry_after
        """Seconds the provider asked us to wait, if it did."""
        self.charged = charged
        """False where the call that failed has certainly cost nothing, True where it has cost what
        it costs all the same; None where that is open."""
        self.vendor_words = vendor_words
        """What the provider said, without addresses and secrets. For the operator, never shown
        to people, and no part of the message."""


class WrongStateError(HiliError):
    """The job is not in a state that allows what was asked."""


class TooManyRequestsError(HiliError):
    """Somebody has asked more often than is answered. Nothing has been stored."""


class PrivacyRefusedError(HiliError):
    """What was asked may not happen to this photo. Nothing has been stored or sent."""

    def __init__(
        self,
        code: Code,
        /,
        *,
        clauses: tuple[str, ...] = (),
        missing: tuple[str, ...] = (),
    ) -> None:
        super().__init__(code)
        self.clauses = clauses
        """The clauses of the policies that refuse."""
        self.missing = missing
        """The keys of the notices whose consent is missing."""


class FrozenRowError(HiliError):
    """What was recorded is never changed, or what shall be recorded is not whole."""


class LostLeaseError(HiliError):
    """Another worker owns the job now. Whoever gets this stops and touches nothing."""

    def __init__(self) -> None:
        super().__init__(Code.JOB_CHANGED)


class StorageError(HiliError):
    """The storage failed, or does not hold what its row says."""


class HiliConfigurationError(ImproperlyConfigured):
    """The site's set-up is wrong. Not a `HiliError`: no retry may hide it."""


def log_name(error: BaseException) -> str:
    """Return what a log may hold of an error: its kind and its stable code, none of its words.

    Words may be a vendor's or a person's, and a code that is not of our list may be, too.
    """
    kind = type(error).__name__
    code = getattr(error, "code", None)
    return f"{kind} [{code.value}]" if isinstance(code, Code) else kind
