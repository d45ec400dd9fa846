"""One sandbox, as a process of its own, for all tests of the providers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from django_hili.sandbox.server import Sandbox, running_sandbox


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    with running_sandbox(credit_count=10_000) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    """Hand over the sandbox, empty and without faults."""
    sandbox_process.control.clear_faults()
    sandbox_process.control.reset()
    sandbox_process.control.set(mode="echo")
    return sandbox_process
