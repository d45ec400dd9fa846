"""Nothing leaves but to registered companies; in tests, nothing leaves at all."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from django_hili.jobs.worker.upkeep import upkeep
from django_hili.models import PhotoJob
from django_hili.privacy.audit.check import audit
from django_hili.privacy.consent.processors import processors
from django_hili.providers.registry import provider_aliases
from tests import egress, people, photos
from tests.processes import finish
from tests.vendors import charges, vendor_for

OUTSIDE = ["198.51.100.7", "2001:db8::7"]
SERVICES = {3306, 5432, 6379}
"""The site's own database and queue."""


@pytest.fixture
def tried():
    """What the guard refused in this test, which is then no fault of the test."""
    yield egress.refused
    egress.refused.clear()


def by_socket(host):
    socket.create_connection((host, 443), timeout=1)


def by_httpx(host):
    httpx.get(f"https://[{host}]/" if ":" in host else f"https://{host}/", timeout=1)


def by_loop(host):
    asyncio.run(asyncio.open_connection(host, 443))


def by_datagram(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", (host, 53))


@pytest.mark.parametrize("host", [*OUTSIDE, "tracker.example"])
@pytest.mark.parametrize("how", [by_socket, by_httpx, by_loop])
def test_the_guard_refuses_whatever_leads_elsewhere(tried, how, host):
    with pytest.raises(egress.EgressError):
        how(host)
    assert tried == [host]


def test_the_guard_refuses_datagrams_and_remembers_what_was_swallowed(tried):
    for host in OUTSIDE:
        with contextlib.suppress(egress.EgressError):
            by_datagram(host)
    assert tried == OUTSIDE


def test_the_guard_stands_in_processes_that_tests_start():
    program = "import socket; socket.create_connection(('198.51.100.7', 443), timeout=1)"
    code, output = finish("shell", "-c", program)
    assert code != 0
    assert "a test wanted to reach 198.51.100.7" in output


@pytest.mark.django_db(transaction=True)
@pytest.mark.clause(
    "HILI-1.4", "HILI-3.1.2", "HILI-3.1.3", "AIART-1.2.6", "AIART-3.1b", "AIART-3.4",
    "PIXEL-1.1.4", "PIXEL-5.1c",
)  # fmt: skip
def test_in_a_photos_whole_life_only_registered_companies_are_contacted(settings, anna, work):
    """Upload, send, fetch, sweep, audit and deletion: no host but the processor's own."""
    with vendor_for(settings) as vendor:
        registered = {
            urlsplit(settings.HILI["PROVIDERS"][alias]["OPTIONS"]["base_url"]).netloc
            for alias in provider_aliases()
        }
        assert len(registered) == len(processors()) == 1
        egress.contacted.clear()
        job = people.enhance(photos.seeded_jpeg(), operations=["repair"], subject=anna)
        work()
        upkeep()
        audit()
        client = people.client_of(anna)
        client.get("/hili/privacy/")
        client.delete(f"/hili/api/v1/jobs/{job.pk}/")
        assert {
            f"{host}:{port}" for host, port in egress.contacted if port not in SERVICES
        } == registered
        assert charges(vendor) == 1
    assert not PhotoJob.objects.exists()
