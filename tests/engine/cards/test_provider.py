"""Cards seen from the site: what is offered, what `check` says, the way of a photo."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from django.test import override_settings
from PIL import Image

from django_hili import checks
from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.providers.base import EnhancedPhoto, Photo
from django_hili.providers.local import LocalProvider
from django_hili.vocabulary import Enhancement, Operation
from tests.engine.cards.graphs import affine, enlarger, keeper, shelve
from tests.processes import ROOT

COLOUR = '[input]\ncolor = "GREY_RGB"\n[output]\nkind = "ab"\n'
SMALL = "[tile]\nsize = 64\noverlap = 8\n"


def provider(shelf: Path, **options: object) -> LocalProvider:
    return LocalProvider("local", {"models": str(shelf), **options})


def enhanced(
    local: LocalProvider, *operations: Operation, scale: int | None = None
) -> EnhancedPhoto:
    stream = io.BytesIO()
    Image.fromarray(np.tile(np.arange(40, 200, 2, dtype=np.uint8), (60, 1))).save(stream, "PNG")

    async def go() -> EnhancedPhoto:
        try:
            wanted = Enhancement(tuple(operations), scale=scale)
            return await local.enhance(
                Photo(stream.getvalue(), "image/png"), wanted, lambda *_: None
            )
        finally:
            await local.aclose()

    return asyncio.run(go())


def settings(shelf: Path, **options: object) -> override_settings:
    backend = "django_hili.providers.local.LocalProvider"
    entry = {"BACKEND": backend, "OPTIONS": {"models": str(shelf), **options}}
    return override_settings(HILI={"PROVIDERS": {"local": entry}})


class TestOffer:
    def test_colour_needs_a_card(self, shelf: Path) -> None:
        assert provider(shelf).capabilities.operations[Operation.COLOUR] == "needs_model"
        shelve(shelf, "ddcolor", affine(2, 12, 0, side=(64, 64)), "colour", COLOUR)
        assert provider(shelf).capabilities.operations[Operation.COLOUR] is None

    def test_a_card_that_cannot_be_used_offers_nothing(self, shelf: Path) -> None:
        licence = '[licence]\nspdx = "CC-BY-NC-4.0"\ncommercial = false\n'
        model = affine(2, 12, 0, side=(64, 64))
        shelve(shelf, "ddcolor", model, "colour", COLOUR, licence=licence)
        assert provider(shelf).capabilities.operations[Operation.COLOUR] == "needs_model"
        allowed = provider(shelf, allow_non_commercial_models=True)
        assert allowed.capabilities.operations[Operation.COLOUR] is None

    def test_without_onnxruntime_nothing_is_offered_and_the_extra_is_named(
        self, shelf: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        find = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name)
        )
        shelve(shelf, "ddcolor", affine(2, 12, 0, side=(64, 64)), "colour", COLOUR)
        local = provider(shelf)
        assert local.capabilities.operations[Operation.COLOUR] == "needs_model"
        (problem,) = local.problems()
        assert 'pip install "django-hili[onnx]"' in problem
        with settings(shelf):
            found = checks.check_providers(None)
            assert [message.id for message in found] == ["django_hili.E002"]
            assert checks.check_probes(None) == []
        assert LocalProvider("local", {}).problems() == ()

    def test_asking_loads_neither_numpy_nor_onnxruntime(self, shelf: Path) -> None:
        shelve(shelf, "ddcolor", affine(2, 12, 0, side=(64, 64)), "colour", COLOUR)
        code = (
            "import sys, django; from django.conf import settings; settings.configure(); "
            "from django_hili.providers.local import LocalProvider; "
            f"local = LocalProvider('local', {{'models': {str(shelf)!r}}}); "
            "assert local.capabilities.operations['colour'] is None; "
            "assert local.card_problems() == (); "
            "sys.exit(bool({'numpy', 'onnxruntime', 'PIL'} & set(sys.modules)))"
        )
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.process
class TestWay:
    def test_a_grey_photo_is_coloured(self, shelf: Path) -> None:
        shelve(shelf, "ddcolor", affine(2, 12, 0, side=(64, 64)), "colour", COLOUR)
        result = enhanced(provider(shelf), Operation.COLOUR)
        assert [step.method for step in result.steps] == ["model:ddcolor"]
        pixels = np.asarray(Image.open(io.BytesIO(result.content))).astype(int)
        assert pixels.shape == (60, 80, 3)
        assert (pixels[..., 0] - pixels[..., 2]).mean() > 5
        assert b"WithTrainedAlgorithmicMedia" in result.content

    def test_with_the_engines_own_operations_in_one_pass(self, shelf: Path) -> None:
        shelve(shelf, "x2", enlarger(2), "sr", f"[output]\nscale = 2\n{SMALL}")
        result = enhanced(provider(shelf), Operation.REPAIR, Operation.SR, scale=2)
        assert (result.width, result.height) == (160, 120)
        assert [step.operation for step in result.steps] == ["repair", "sr"]
        assert result.steps[1].method == "model:x2"

    def test_a_changed_file_is_not_run(self, shelf: Path) -> None:
        shelve(shelf, "keep", keeper(), "repair", SMALL)
        (shelf / "keep.onnx").write_bytes(affine(3, 0.5, 0).SerializeToString())
        with pytest.raises(ProviderError) as caught:
            enhanced(provider(shelf), Operation.REPAIR)
        assert caught.value.code == Code.ENGINE_UNAVAILABLE

    def test_a_photo_too_large_for_the_only_model(self, shelf: Path) -> None:
        limits = "[limits]\nmax_megapixels = 0.001\n"
        shelve(shelf, "ddcolor", affine(2, 12, 0, side=(64, 64)), "colour", COLOUR + limits)
        with pytest.raises(ProviderError) as caught:
            enhanced(provider(shelf), Operation.COLOUR)
        assert caught.value.code == Code.MODEL_LIMIT


class TestChecks:
    def test_a_good_folder(self, shelf: Path) -> None:
        shelve(shelf, "keep", keeper(), "repair", SMALL)
        with settings(shelf):
            assert checks.check_models(None) == []
            assert checks.check_probes(None) == []

    def test_no_folder_is_asked_for(self) -> None:
        with override_settings(HILI={}):
            assert checks.check_models(None) == []
            assert checks.check_probes(None) == []

    def test_a_bad_card_is_e005(self, shelf: Path) -> None:
        shelve(shelf, "keep", keeper(), "repair", SMALL, head="colour = 1\n")
        with settings(shelf):
            (message,) = checks.check_models(None)
        assert message.id == "django_hili.E005"
        assert "keep.toml" in message.msg
        assert "unknown key 'colour'" in message.msg
        assert message.hint is not None
        assert "https://github.com" in message.hint
        assert "#e005" in message.hint

    @pytest.mark.process
    def test_a_model_that_does_otherwise_is_e006(self, shelf: Path) -> None:
        shelve(shelf, "good", keeper(), "repair", SMALL)
        shelve(shelf, "black", affine(3, 0, 0), "repair", SMALL)
        shelve(shelf, "changed", keeper(), "repair", SMALL)
        (shelf / "changed.onnx").write_bytes(affine(3, 0.5, 0).SerializeToString())
        with settings(shelf):
            known, probed = checks.check_models(None), checks.check_probes(None)
        assert [(m.id, "changed.toml" in m.msg) for m in known] == [("django_hili.E005", True)]
        assert [(m.id, "black.toml" in m.msg) for m in probed] == [("django_hili.E006", True)]

    @pytest.mark.process
    def test_a_model_too_large_for_the_process(self, shelf: Path) -> None:
        shelve(shelf, "keep", keeper(), "repair", SMALL)
        with settings(shelf, memory_limit=100 * 1024**2):
            (message,) = checks.check_probes(None)
        assert message.id == "django_hili.E006"
        assert "memory_limit" in message.msg

    def test_the_probe_is_for_deployment_only(self) -> None:
        from django.core.checks import registry

        assert checks.check_probes in registry.registry.deployment_checks
        assert checks.check_models in registry.registry.registered_checks
