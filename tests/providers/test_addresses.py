"""Result addresses come from outside: what is refused is refused before anything is contacted."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator, Sequence

import pytest

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.providers.addresses import Policy, is_public, normal_host
from django_hili.providers.hili import HiliProvider
from django_hili.testing import Collector
from tests.providers.raw import SECRET, THIRD_CODE, Exchange, RawVendor, run, saying

PUBLIC = "93.184.216.34"
POLICY = Policy(frozenset({"example.org"}))
NAMES = {
    "example.org": [PUBLIC],
    "photo.example.org": [PUBLIC],
    "six.example.org": ["2606:2800:220:1:248:1893:25c8:1946"],
    # Names whose owner points them at us: rebinding starts like this.
    "rebind.example.org": ["127.0.0.1"],
    "mixed.example.org": [PUBLIC, "10.0.0.1"],
    "inner.example.org": ["192.168.1.10"],
    "meta.example.org": ["169.254.169.254"],
    "mapped.example.org": ["::ffff:127.0.0.1"],
    "odd.example.org": ["not an address"],
    "none.example.org": [],
}


async def resolve(host: str, port: int) -> Sequence[str]:
    if host not in NAMES:
        raise socket.gaierror("unknown")
    return NAMES[host]


def check(address: str, policy: Policy = POLICY, *, base: str = "") -> str:
    target = run(policy.check(address, resolve, base=base))
    return f"{target.machine_address} {target.host_header}"


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("https://example.org/x.jpg", f"https://{PUBLIC}:443/x.jpg example.org"),
        (
            "https://photo.example.org/x.jpg?a=1&b=%20",
            f"https://{PUBLIC}:443/x.jpg?a=1&b=%20 photo.example.org",
        ),
        ("https://PHOTO.Example.ORG./x", f"https://{PUBLIC}:443/x photo.example.org"),
        ("https://example.org:443", f"https://{PUBLIC}:443/ example.org"),
        ("https://example.org/a#part", f"https://{PUBLIC}:443/a example.org"),
        ("https://six.example.org/x",
         "https://[2606:2800:220:1:248:1893:25c8:1946]:443/x six.example.org"),
    ],
)  # fmt: skip
def test_the_checked_machine_is_contacted_under_the_right_name(address: str, reached: str) -> None:
    assert check(address) == reached


REFUSED = [
    # schemes
    "http://example.org/x.jpg",
    "ftp://example.org/x.jpg",
    "file:///etc/passwd",
    "gopher://example.org/",
    "data:image/jpeg;base64,AAAA",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "//example.org/x.jpg",
    "example.org/x.jpg",
    "",
    # hosts not on the list
    "https://evil.test/x.jpg",
    "https://example.org.evil.test/x.jpg",
    "https://notexample.org/x.jpg",
    "https://org/x.jpg",
    "https:///x.jpg",
    "https://localhost/x.jpg",
    # machines by number, in every notation
    "https://127.0.0.1/x.jpg",
    "https://127.1/x.jpg",
    "https://2130706433/x.jpg",
    "https://0x7f000001/x.jpg",
    "https://0177.0.0.1/x.jpg",
    "https://0/x.jpg",
    "https://10.0.0.1/x.jpg",
    "https://172.16.0.1/x.jpg",
    "https://192.168.0.1/x.jpg",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/x.jpg",
    "https://[::1]/x.jpg",
    "https://[::]/x.jpg",
    "https://[::ffff:127.0.0.1]/x.jpg",
    "https://[::ffff:7f00:1]/x.jpg",
    "https://[::127.0.0.1]/x.jpg",
    "https://[64:ff9b::7f00:1]/x.jpg",
    "https://[2002:7f00:1::]/x.jpg",
    "https://[fe80::1]/x.jpg",
    "https://[fe80::1%25eth0]/x.jpg",
    "https://[fc00::1]/x.jpg",
    f"https://{PUBLIC}/x.jpg",
    # who is who
    "https://example.org@evil.test/x.jpg",
    "https://user:secret@example.org/x.jpg",
    "https://example.org:pass@127.0.0.1/",
    "https://evil.test#@example.org/",
    "https://evil.test\\@example.org/",
    "https://evil.test\\.example.org/",
    "https://example.org\\@127.0.0.1/",
    # ports
    "https://example.org:22/x.jpg",
    "https://example.org:80/x.jpg",
    "https://example.org:99999/x.jpg",
    "https://example.org:0/x.jpg",
    "https://example.org:-1/x.jpg",
    "https://example.org:4x/x.jpg",
    # letters that are read differently by different readers
    "https://example.org/x.jpg\r\nHost: evil.test",
    "https://exa mple.org/x.jpg",
    " https://example.org/x.jpg",
    "https://example.org/\x00",
    "https://ⓔxample.org/x.jpg",
    "https://example。org/x.jpg",
    "https://[example.org/x.jpg",
    "https://example.org/" + "x" * 3000,
    # names that mean a machine of ours
    "https://rebind.example.org/x.jpg",
    "https://mixed.example.org/x.jpg",
    "https://inner.example.org/x.jpg",
    "https://meta.example.org/x.jpg",
    "https://mapped.example.org/x.jpg",
    "https://odd.example.org/x.jpg",
    "https://none.example.org/x.jpg",
]


@pytest.mark.parametrize("address", REFUSED)
def test_refused(address: str) -> None:
    with pytest.raises(ProviderError) as caught:
        check(address)
    assert caught.value.code is Code.RESULT_ADDRESS_REFUSED
    assert not caught.value.retryable
    assert address == "" or address not in str(caught.value) + repr(caught.value)


def test_a_name_that_cannot_be_resolved_is_asked_again() -> None:
    with pytest.raises(ProviderError) as caught:
        check("https://nowhere.example.org/x.jpg")
    assert caught.value.code is Code.PROVIDER_DOWN
    assert caught.value.retryable


def test_plain_http_where_the_site_says_so() -> None:
    policy = Policy(frozenset({"example.org"}), http_allowed=True)
    assert check("http://example.org/x", policy) == f"http://{PUBLIC}:80/x example.org"
    with pytest.raises(ProviderError):
        check("http://rebind.example.org/x", policy)


def test_other_ports_where_the_site_says_so() -> None:
    policy = Policy(frozenset({"example.org"}), ports=frozenset({8443}))
    reached = f"https://{PUBLIC}:8443/x example.org:8443"
    assert check("https://example.org:8443/x", policy) == reached


@pytest.mark.parametrize(
    ("location", "is_good"),
    [
        ("/y.jpg", True),
        ("?hop=1", True),
        ("https://photo.example.org/y.jpg", True),
        ("http://example.org/y.jpg", False),
        ("//evil.test/y.jpg", False),
        ("https://rebind.example.org/y.jpg", False),
        ("https://127.0.0.1/y.jpg", False),
    ],
)
def test_a_redirect_is_checked_like_an_address(location: str, is_good: bool) -> None:
    if is_good:
        assert check(location, base="https://example.org:443/x.jpg")
    else:
        with pytest.raises(ProviderError):
            check(location, base="https://example.org:443/x.jpg")


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.1.1",
        "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.255.255", "198.18.0.1",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::ffff:8.8.8.8", "::ffff:10.0.0.1", "::8.8.8.8", "64:ff9b::808:808",
        "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:808:808::1", "fc00::1",
        "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_not_of_the_open_internet(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", PUBLIC, "2606:2800:220:1:248:1893:25c8:1946"])
def test_of_the_open_internet(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        ("Example.ORG.", "example.org"),
        ("127.0.0.1", "127.0.0.1"),
        ("::0001", "::1"),
        ("127.1", ""),
        ("0x7f000001", ""),
        ("1.2.3.0x4", ""),
        ("-a.org", ""),
        ("a..org", ""),
        ("a_b.example.org", "a_b.example.org"),
        ("", ""),
    ],
)
def test_hosts_have_one_form(host: str, normal: str) -> None:
    assert normal_host(host) == normal


class _Trap:
    """A listening socket that counts who comes."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]

    @property
    def visits(self) -> int:
        count = 0
        while True:
            try:
                connection, _ = self._socket.accept()
            except BlockingIOError:
                return count
            connection.close()
            count += 1

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def trap() -> Iterator[_Trap]:
    trap = _Trap()
    yield trap
    trap.close()


async def fetch(address: str, *, port: int, location: str = "") -> None:
    """Have a vendor name `address`, or redirect to `location` from its own."""

    async def script(exchange: Exchange) -> None:
        await exchange.read()
        if exchange.method == "POST":
            await exchange.answer({"code": 200, "data": {"url": address or f"{own}/x.jpg"}})
        else:
            await exchange.answer(b"", status=302, headers={"Location": location})

    async def to_the_trap(host: str, _: int) -> Sequence[str]:
        """A name of the vendor's that has been turned to this machine in the meantime."""
        return ["127.0.0.1"]

    async with RawVendor(script) as vendor:
        own = vendor.base_url
        provider = HiliProvider(
            "hili",
            {
                "third_code": THIRD_CODE,
                "secret_key": SECRET,
                "base_url": own,
                "result_hosts": ["example.org", f"example.org:{port}"],
                # Everything that can be loosened is, but for the addresses themselves.
                "allow_http": True,
            },
            resolve=to_the_trap,
        )
        # The vendor of a real site is not on loopback: take that licence away again.
        loose = provider._setup.results
        tight = Policy(
            loose.hosts, loose.ports, loose.http_allowed, loopback_allowed=bool(location)
        )
        object.__setattr__(provider._setup, "results", tight)
        try:
            await provider.fetch("a" * 32, Collector(), max_bytes=10**6)
        finally:
            await provider.aclose()


TRAPS = [
    "http://127.0.0.1:{port}/x.jpg",
    "https://127.0.0.1:{port}/x.jpg",
    "http://127.1:{port}/x.jpg",
    "http://localhost:{port}/x.jpg",
    "http://[::1]:{port}/x.jpg",
    "http://[::ffff:127.0.0.1]:{port}/x.jpg",
    "http://example.org:{port}/x.jpg",
    "https://example.org:{port}/x.jpg",
    "http://example.org@127.0.0.1:{port}/x.jpg",
    "http://127.0.0.1:{port}\\@example.org/x.jpg",
    "ftp://127.0.0.1:{port}/x.jpg",
    "gopher://127.0.0.1:{port}/x.jpg",
    "file://127.0.0.1:{port}/etc/passwd",
    # the same machine in other notations
    "http://2130706433:{port}/x.jpg",
    "http://0x7f000001:{port}/x.jpg",
    "http://0177.0.0.1:{port}/x.jpg",
    "http://0.0.0.0:{port}/x.jpg",
    "http://[::]:{port}/x.jpg",
    "http://[::ffff:7f00:1]:{port}/x.jpg",
    "http://[2002:7f00:1::]:{port}/x.jpg",
    "http://[64:ff9b::7f00:1]:{port}/x.jpg",
    "http://[::1%25lo]:{port}/x.jpg",
]


@pytest.mark.parametrize("address", TRAPS)
def test_nothing_is_contacted(address: str, trap: _Trap) -> None:
    with pytest.raises(ProviderError) as caught:
        run(fetch(address.format(port=trap.port), port=trap.port))
    assert caught.value.code is Code.RESULT_ADDRESS_REFUSED
    assert trap.visits == 0


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{port}/x.jpg",
        "http://evil.test:{port}/x.jpg",
        "http://example.org@127.0.0.1:{port}/x.jpg",
        "ftp://127.0.0.1:{port}/x.jpg",
        "http://[::ffff:127.0.0.1]:{port}/x.jpg",
        "",
    ],
)
def test_nothing_is_contacted_by_a_redirect(location: str, trap: _Trap) -> None:
    with pytest.raises(ProviderError) as caught:
        run(fetch("", port=trap.port, location=location.format(port=trap.port)))
    assert caught.value.code is Code.RESULT_ADDRESS_REFUSED
    assert trap.visits == 0


def test_the_trap_works(trap: _Trap) -> None:
    """A trap that nobody can fall into proves nothing."""

    async def fall() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", trap.port)
        writer.close()

    run(fall())
    assert trap.visits == 1


def test_no_proxy_of_the_environment_is_asked(trap: _Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")

    async def ask() -> int:
        script = saying({"code": 200, "data": {"nums": 5}})
        async with RawVendor(script) as vendor:
            given = {"third_code": "x", "secret_key": "y", "base_url": vendor.base_url}
            provider = HiliProvider("hili", given)
            left = await provider.credits()
            await provider.aclose()
            return left

    assert run(ask()) == 5
    assert trap.visits == 0
