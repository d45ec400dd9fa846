"""A guard in every process of the tests: no connection leaves this machine.

Owns the guard and the list of what tried. `tests.settings` puts it up, so it also stands in the
workers and commands that tests start. What is refused ends in an error no code of ours expects, and
where it is swallowed all the same the fixture in `conftest.py` finds it.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
from typing import Any

refused: list[str] = []
"""Whom this process tried to reach."""
contacted: set[tuple[str, int]] = set()
"""Where connections of this process went, all of them here."""


class EgressError(AssertionError):
    """Something wanted to leave this machine."""


def put_up() -> None:
    """Refuse connections and look-ups that lead elsewhere; twice is once."""
    if not hasattr(socket.socket.connect, "__wrapped__"):
        for name in ("connect", "connect_ex", "sendto"):
            setattr(socket.socket, name, _only_here(getattr(socket.socket, name)))
        socket.getaddrinfo = _known_here(socket.getaddrinfo)


def is_here(host: Any) -> bool:
    """Whether a name or address is this machine's own."""
    if host is None or host in {"", "localhost", socket.gethostname(), b"localhost"}:
        return True
    try:
        address = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _only_here(original: Any) -> Any:
    @functools.wraps(original)
    def guarded(self: socket.socket, *words: Any) -> Any:
        address = words[-1]
        if self.family in {socket.AF_INET, socket.AF_INET6} and isinstance(address, tuple):
            if not is_here(address[0]):
                self.close()  # whoever made it closes it after errors of the network only
                _refuse(address[0])
            contacted.add((str(address[0]), address[1]))
        return original(self, *words)

    return guarded


def _known_here(original: Any) -> Any:
    @functools.wraps(original)
    def guarded(host: Any, *words: Any, **options: Any) -> Any:
        if not is_here(host):
            try:
                ipaddress.ip_address(host)  # only reads it; reaching it is another matter
            except ValueError:
                _refuse(host)
        return original(host, *words, **options)

    return guarded


def _refuse(host: Any) -> None:
    refused.append(str(host))
    raise EgressError(f"a test wanted to reach {host}")
