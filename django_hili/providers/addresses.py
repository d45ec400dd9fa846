"""Which result addresses may be contacted, and at which machine.

An address that a vendor names comes from outside and is judged here: scheme, host, port, and what
the name resolves to. Opens no connection and knows no HTTP client; whoever connects must use the
machine address it was given, so that a name cannot mean something else a moment later.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from django_hili.codes import Code
from django_hili.exceptions import ProviderError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Answers a host name and a port with machine addresses as text."""

LONGEST_ADDRESS = 2048
RESOLVE_SECONDS = 10.0
_PORTS = {"https": 443, "http": 80}
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_PLAIN = re.compile(r"[\x21-\x7e]+")
# Forms of IPv6 that carry an IPv4 address inside, and would reach it where a gateway stands.
_CARRIERS = tuple(
    ipaddress.ip_network(text)
    for text in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)


@dataclass(frozen=True, slots=True)
class Target:
    """A checked place to fetch from."""

    scheme: str
    host: str
    """The name that the certificate and the Host header must carry."""
    port: int
    machine: str
    """The address to connect to, as text."""
    path: str
    """Path and query, as they were given."""

    @property
    def address(self) -> str:
        """The address to come back to for relative redirects; memory only."""
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}{self.path}"

    @property
    def host_header(self) -> str:
        """The Host header: the name, with the port where it is not the scheme's own."""
        host = _bracketed(self.host)
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def machine_address(self) -> str:
        """The address to ask a client for: the machine in place of the name."""
        return f"{self.scheme}://{_bracketed(self.machine)}:{self.port}{self.path}"

    def __repr__(self) -> str:
        """Say nothing: an address gives a person's photo to whoever reads it."""
        return "<Target>"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a site lets results come from."""

    hosts: frozenset[str]
    """Hosts, each with everything below it: `example.org` allows `a.example.org`."""
    ports: frozenset[int] = frozenset()
    """Ports allowed beside the scheme's own."""
    http_allowed: bool = False
    loopback_allowed: bool = False

    async def check(self, address: str, resolve: Resolver, *, base: str = "") -> Target:
        """Return the checked target, or raise `ProviderError` with `RESULT_ADDRESS_REFUSED`."""
        scheme, host, port, path = self._read(urljoin(base, address) if base else address)
        machines = await _resolved(host, port, resolve)
        # One bad address spoils the name: which of them a client takes is a matter of luck.
        if not machines or not all(self._may_contact(machine) for machine in machines):
            raise _refused()
        is_here = all(machine.is_loopback for machine in machines)
        if not (scheme == "https" or self.http_allowed or is_here):
            raise _refused()
        return Target(scheme, host, port, str(machines[0]), path)

    def _read(self, address: str) -> tuple[str, str, int, str]:
        if len(address) > LONGEST_ADDRESS or not _PLAIN.fullmatch(address) or "\\" in address:
            raise _refused()
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            raise _refused() from None
        host = normal_host(parts.hostname or "")
        if parts.scheme not in _PORTS or "@" in parts.netloc or not self._is_listed(host):
            raise _refused()
        port = _PORTS[parts.scheme] if port is None else port
        if port != _PORTS[parts.scheme] and port not in self.ports:
            raise _refused()
        query = f"?{parts.query}" if parts.query else ""
        return parts.scheme, host, port, (parts.path or "/") + query

    def _is_listed(self, host: str) -> bool:
        if not host:
            return False
        if _literal(host) is not None:
            return host in self.hosts
        return any(host == known or host.endswith(f".{known}") for known in self.hosts)

    def _may_contact(self, machine: IPAddress) -> bool:
        if machine.is_loopback:
            return self.loopback_allowed
        return is_public(machine)


def is_public(machine: IPAddress) -> bool:
    """Tell whether an address is one of the open internet, by itself and by what it carries."""
    if isinstance(machine, ipaddress.IPv6Address):
        if machine.ipv4_mapped is not None or any(machine in net for net in _CARRIERS):
            return False
        if machine.scope_id is not None or machine.is_site_local:
            return False
    return machine.is_global and not (
        machine.is_multicast or machine.is_reserved or machine.is_unspecified
    )


def normal_host(host: str) -> str:
    """Return a host in one form, or nothing if it is neither a name nor a plain address."""
    host = host.lower().removesuffix(".")
    if (literal := _literal(host)) is not None:
        return str(literal)
    # Old notations such as 127.1, 0x7f000001 or 2130706433 are addresses to some resolvers.
    last = host.rpartition(".")[2]
    is_name = _NAME.fullmatch(host) is not None and not re.fullmatch(r"\d+|0x[0-9a-f]*", last)
    return host if is_name else ""


def is_loopback_host(host: str) -> bool:
    """Tell whether a host means this machine by its very name."""
    literal = _literal(host)
    return literal.is_loopback if literal is not None else host == "localhost"


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the system for a name's addresses."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def _resolved(host: str, port: int, resolve: Resolver) -> list[IPAddress]:
    literal = _literal(host)
    if literal is not None:
        return [literal]
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            texts: Iterable[str] = await resolve(host, port)
        return [ipaddress.ip_address(text) for text in texts]
    except (OSError, UnicodeError):  # a time-out is an OSError
        raise ProviderError(Code.PROVIDER_DOWN, retryable=True) from None
    except ValueError:
        raise _refused() from None


def _literal(host: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _refused() -> ProviderError:
    return ProviderError(Code.RESULT_ADDRESS_REFUSED)
