"""What `OPTIONS` of a Hili account may say, read into one frozen value with every problem.

Owns names, types and defaults of the options, for both versions of the API. Opens no connection
and makes no request; secrets stay in the functions that give them.
Clauses C27: HILI-API-2. Clauses C24: HILI-API-4, MIAO-7.3a.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django_hili.providers.addresses import Policy, is_loopback_host, normal_host
from django_hili.providers.base import Caution
from django_hili.providers.exchange import Timeouts
from django_hili.providers.remote import MOST_IN_DOUBT, Charging

VENDOR_HOST = "sdkphoto.fangtangtv.com"
VENDOR_DOMAIN = "fangtangtv.com"
"""The vendor serves results from several hosts below it."""
PLATFORMS = ("pc", "h5", "mp", "ios", "baidu", "zijie", "douyin", "alipay")
MOST_SLOTS = 64
_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
_NEEDED = ("third_code", "secret_key")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_HIGHEST_PORT = 65535

Giver = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Setup:
    """One Hili account and how to reach it."""

    third_code: Giver = field(repr=False)
    secret_key: Giver = field(repr=False)
    base_url: str = field(repr=False)
    """Scheme, host and path, without a slash at the end."""
    results: Policy
    platform: str
    charging: Charging
    is_exclusive: bool
    """Whether this site is the only one that spends the account's credits."""
    max_in_doubt: int
    """Photos of one worker that may wait for the vendor's answer at the same time."""
    low_credits: int | None
    """With as many credits or fewer, the site's operator is told; None for never."""
    slots: int
    timeouts: Timeouts
    ca_file: str | None


@dataclass(slots=True)
class Reader:
    """Reads options one by one and remembers what is wrong with each."""

    options: Mapping[str, Any]
    problems: list[str] = field(default_factory=list)

    KNOWN = (
        "third_code", "secret_key", "base_url", "platform", "charging", "slots", "timeouts",
        "result_hosts", "allow_http", "ca_file", "exclusive_account",
        "max_in_doubt", "low_credits",
    )  # fmt: skip

    def read(self) -> Setup:
        """Return the set-up, with defaults in place of what is wrong."""
        for name in sorted(set(self.options) - set(self.KNOWN)):
            self.problems.append(
                f"OPTIONS has the unknown key {name!r}. Known: {', '.join(self.KNOWN)}."
            )
        for name in _NEEDED:
            self._check_secret(name)
        base_url, host, port = self._base_url()
        return Setup(
            third_code=lambda: _given(self.options.get("third_code")),
            secret_key=lambda: _given(self.options.get("secret_key")),
            base_url=base_url,
            results=self._results(host, port),
            platform=self._one_of("platform", PLATFORMS, "pc"),
            charging=Charging(self._one_of("charging", tuple(Charging), Charging.UPLOAD)),
            is_exclusive=self.options.get("exclusive_account") is True,
            max_in_doubt=self._number("max_in_doubt", MOST_IN_DOUBT, MOST_IN_DOUBT),
            low_credits=self._low_credits(),
            slots=self._number("slots", MOST_SLOTS, 8),
            timeouts=self._timeouts(),
            ca_file=self._ca_file(),
        )

    def _check_secret(self, name: str) -> None:
        value = self.options.get(name)
        if value is None or value == "":
            self.problems.append(f"OPTIONS[{name!r}] is missing. The vendor gives it out.")
        elif not callable(value) and not (isinstance(value, str) and _PRINTABLE.fullmatch(value)):
            # A callable is not called here: it may ask a secret store over the network.
            self.problems.append(
                f"OPTIONS[{name!r}] must be printable text without spaces, or a function."
            )

    def _base_url(self) -> tuple[str, str, int | None]:
        text = self.options.get("base_url", f"https://{VENDOR_HOST}")
        parts = urlsplit(text) if isinstance(text, str) and _PRINTABLE.fullmatch(text) else None
        host = normal_host(parts.hostname or "") if parts else ""
        if parts is None or not host or parts.scheme not in ("http", "https"):
            self.problems.append('OPTIONS["base_url"] must be an address such as https://host.')
            return f"https://{VENDOR_HOST}", VENDOR_HOST, None
        if "@" in parts.netloc or parts.query or parts.fragment:
            self.problems.append('OPTIONS["base_url"] must be scheme, host and path alone.')
        if parts.scheme == "http" and not self._http_allowed and not is_loopback_host(host):
            self.problems.append(
                'OPTIONS["base_url"] is plain http: photos and tokens could be read on the way. '
                'Write https, or set OPTIONS["allow_http"] to True and accept that.'
            )
        return text.rstrip("/"), host, self._port(parts.netloc)

    def _port(self, netloc: str) -> int | None:
        port = netloc.rpartition("]")[2].rpartition(":")[2] if ":" in netloc else ""
        if not port.isdecimal():
            return None
        if not 0 < int(port) <= _HIGHEST_PORT:
            self.problems.append('OPTIONS["base_url"] names a port that cannot be.')
            return None
        return int(port)

    @property
    def _http_allowed(self) -> bool:
        return self.options.get("allow_http") is True

    def _results(self, host: str, port: int | None) -> Policy:
        if self.options.get("allow_http", False) not in (True, False):
            self.problems.append('OPTIONS["allow_http"] must be True or False.')
        is_here = is_loopback_host(host)
        hosts, ports = {host}, {port} if port else set()
        if is_here:
            hosts.update(_LOOPBACK_HOSTS)
        if host == VENDOR_DOMAIN or host.endswith(f".{VENDOR_DOMAIN}"):
            hosts.add(VENDOR_DOMAIN)
        for name, other_port in self._result_hosts():
            hosts.add(name)
            ports.update({other_port} if other_port else ())
        return Policy(frozenset(hosts), frozenset(ports), self._http_allowed, is_here)

    def _result_hosts(self) -> Iterator[tuple[str, int | None]]:
        given = self.options.get("result_hosts", ())
        is_list = isinstance(given, list | tuple | set | frozenset)
        if not is_list or not all(isinstance(entry, str) for entry in given):
            self.problems.append('OPTIONS["result_hosts"] must be a list of host names.')
            return
        for entry in given:
            name, _, port = entry.partition(":")
            host = normal_host(name)
            if not host or (port and not port.isdecimal()):
                self.problems.append(
                    'OPTIONS["result_hosts"] has an entry that is no host name. '
                    "Write example.org, or example.org:8443."
                )
            elif "." not in host and not is_loopback_host(host):
                self.problems.append(
                    'OPTIONS["result_hosts"] has an entry that would allow a whole domain of the '
                    "internet. Name the host, or its registered parent."
                )
            else:
                yield host, int(port) if port else None

    def _one_of(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.options.get(name, default)
        if value in choices:
            return str(value)
        self.problems.append(f"OPTIONS[{name!r}] must be one of: {', '.join(choices)}.")
        return default

    def _number(self, name: str, most: int, default: int) -> int:
        value = self.options.get(name, default)
        if type(value) is int and 1 <= value <= most:
            return value
        self.problems.append(f"OPTIONS[{name!r}] must be a number from 1 to {most}.")
        return default

    def _low_credits(self) -> int | None:
        value = self.options.get("low_credits")
        if value is None or (type(value) is int and value >= 0):
            return value
        self.problems.append('OPTIONS["low_credits"] must be a number of credits.')
        return None

    def _timeouts(self) -> Timeouts:
        given = self.options.get("timeouts", {})
        names = [item.name for item in fields(Timeouts)]
        is_good = isinstance(given, Mapping) and all(
            name in names and type(value) in (int, float) and value > 0
            for name, value in given.items()
        )
        if is_good:
            return Timeouts(**given)
        self.problems.append(
            f'OPTIONS["timeouts"] must be a dict of seconds with keys of: {", ".join(names)}.'
        )
        return Timeouts()

    def _ca_file(self) -> str | None:
        value = self.options.get("ca_file")
        if value is None:
            return None
        if isinstance(value, str | Path) and Path(value).is_file():
            return str(value)
        self.problems.append('OPTIONS["ca_file"] names no file.')
        return None


def cautions_of(setup: Setup) -> tuple[Caution, ...]:
    """Return what is unsafe about an account that works as it is set up."""
    if is_loopback_host(normal_host(urlsplit(setup.base_url).hostname or "")):
        return (
            Caution(
                "vendor_is_this_machine",
                "Its base_url is this machine: photos go to a sandbox, not to the vendor.",
                'On a real site, remove "base_url" from its OPTIONS.',
            ),
        )
    if setup.results.http_allowed:
        return (
            Caution(
                "plain_http",
                "Plain http is allowed: photos and tokens can be read on the way.",
                'Write https in "base_url", and remove "allow_http" from its OPTIONS.',
            ),
        )
    return ()


def _given(value: Any) -> str:
    return str(value() if callable(value) else value)
