"""The contract suites: the embedded engine, both Hili versions and a stranger's provider."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import pytest

from django_hili import testing
from django_hili.codes import Code
from django_hili.exceptions import ProviderError, StorageError
from django_hili.providers.hili import HiliProvider
from django_hili.providers.hili_v1 import HiliV1Provider
from django_hili.providers.local import LocalProvider
from django_hili.providers.remote import (
    Barrier,
    Charging,
    RemoteProvider,
    RemoteStage,
    RemoteState,
    Sink,
    Upload,
)
from django_hili.sandbox.server import Sandbox
from django_hili.vocabulary import Background, Capabilities, Enhancement, Operation


class TestLocalProvider(testing.DirectProviderContract):
    def make_provider(self) -> LocalProvider:
        return LocalProvider("local", {})


class _AgainstTheSandbox(testing.RemoteProviderContract):
    __test__ = False
    sandbox: Sandbox
    charging = "upload"

    @pytest.fixture(autouse=True)
    def _take_sandbox(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        sandbox.control.add_partner(sandbox.third_code, sandbox.secret_key, charging=self.charging)

    def options(self) -> dict[str, object]:
        return {
            "third_code": self.sandbox.third_code,
            "secret_key": self.sandbox.secret_key,
            "base_url": self.sandbox.base_url,
            "charging": self.charging,
        }


class TestHiliProvider(_AgainstTheSandbox):
    def make_provider(self) -> HiliProvider:
        return HiliProvider("hili", self.options())


class TestHiliProviderChargedByDownload(_AgainstTheSandbox):
    charging = "download"

    def make_provider(self) -> HiliProvider:
        return HiliProvider("hili", self.options())


class TestHiliV1Provider(_AgainstTheSandbox):
    def make_provider(self) -> HiliV1Provider:
        return HiliV1Provider("hili", self.options())


class TestHiliV1ProviderBackground(_AgainstTheSandbox):
    def make_provider(self) -> HiliV1Provider:
        return HiliV1Provider("hili", self.options())

    def enhancement(self) -> Enhancement:
        return Enhancement((Operation.BG,), background=Background("#123456"))

    def impossible(self) -> Enhancement:
        return Enhancement((Operation.BG, Operation.SR), scale=2, background=Background("blue"))


class ShelfProvider(RemoteProvider):
    """A stranger's provider: it puts photos on a shelf and hands them out again."""

    handles_per_call = 10

    def __init__(self, alias: str, options: Mapping[str, object]) -> None:
        super().__init__(alias, options)
        self._shelf: dict[str, bytes] = {}
        self._left = 100

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            operations={Operation.REPAIR: None}, credits_per_send=1, leaves_server=True, region="IS"
        )

    @property
    def charging(self) -> Charging:
        return Charging.UPLOAD

    async def send(self, upload: Upload, enhancement: Enhancement, *, barrier: Barrier) -> str:
        enhancement.check(self.capabilities)
        content = b"".join([piece async for piece in upload.pieces()])
        if len(content) != upload.size:
            raise StorageError(Code.STORAGE_FAILED)
        await barrier()
        handle = hashlib.sha256(content + bytes([self._left])).hexdigest()
        self._shelf[handle] = content
        self._left -= 1
        return handle

    async def states(self, handles: Sequence[str]) -> Mapping[str, RemoteState | ProviderError]:
        stages = {True: RemoteStage.DONE, False: RemoteStage.GONE}
        return {handle: RemoteState(stages[handle in self._shelf]) for handle in handles}

    async def fetch(self, handle: str, sink: Sink, *, max_bytes: int) -> int:
        content = self._shelf.get(handle)
        if content is None:
            raise ProviderError(Code.PROVIDER_COPY_GONE)
        if len(content) > max_bytes:
            raise ProviderError(Code.RESULT_FILE_TOO_LARGE)
        await sink(content)
        return len(content)

    async def credits(self) -> int:
        return self._left


class TestShelfProvider(testing.RemoteProviderContract):
    def make_provider(self) -> ShelfProvider:
        return ShelfProvider("shelf", {"secret": "hush-hush"})


class TestSuitesFindFaults:
    """A suite that passes everything proves nothing."""

    @pytest.mark.parametrize(
        ("fault", "case"),
        [
            ("no_barrier", "test_a_photo_goes_and_comes_back"),
            ("charges_early", "test_a_barrier_that_refuses_ends_the_send"),
            ("believes_size", "test_a_photo_that_is_not_its_size_never_passes_the_barrier"),
            ("ignores_limit", "test_a_result_too_large_is_not_taken_in"),
            ("tells_secret", "test_repr_shows_no_option"),
        ],
    )
    def test_a_broken_provider_fails(self, fault: str, case: str) -> None:
        class Broken(ShelfProvider):
            def __repr__(self) -> str:
                return str(self.options) if fault == "tells_secret" else super().__repr__()

            async def send(
                self, upload: Upload, enhancement: Enhancement, *, barrier: Barrier
            ) -> str:
                if fault == "charges_early":
                    self._left -= 1
                if fault == "believes_size":
                    content = b"".join([piece async for piece in upload.pieces()])
                    upload = testing.upload_of(content)
                if fault == "no_barrier":
                    barrier = testing.CountingBarrier()
                return await super().send(upload, enhancement, barrier=barrier)

            async def fetch(self, handle: str, sink: Sink, *, max_bytes: int) -> int:
                limit = 10**9 if fault == "ignores_limit" else max_bytes
                return await super().fetch(handle, sink, max_bytes=limit)

        class Suite(testing.RemoteProviderContract):
            __test__ = False

            def make_provider(self) -> Broken:
                return Broken("broken", {"secret": "hush-hush"})

        result = Suite(case).run()
        assert result is not None
        assert not result.wasSuccessful()
