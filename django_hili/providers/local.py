"""The embedded engine as a provider: no account, no network, each photo in a process apart.

Owns the processes that decode and compute: they are started when needed, reused, limited in
memory and time, and killed when they overstep. Knows the engine only through that process.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.engine.cards.choice import offered
from django_hili.engine.cards.folder import Folder
from django_hili.engine.catalogue import AVAILABLE
from django_hili.exceptions import ProviderError
from django_hili.imaging.frames import pack, unpack_head
from django_hili.providers.base import DirectProvider, EnhancedPhoto, Photo, Report, Step
from django_hili.vocabulary import Capabilities, Enhancement, Operation, ResultFormat

_MODULE = "django_hili.providers.local_process"
_GIB = 1024**3


class LocalProvider(DirectProvider):
    """Enhances photos on this server. Options: `memory_limit` (bytes), `time_limit` (seconds),
    `python` (the interpreter to start, where the server's own executable is not Python),
    `models` (a folder of model cards), `allow_non_commercial_models` (take those too)."""

    def __init__(self, alias: str, options: Mapping[str, Any]) -> None:
        super().__init__(alias, options)
        self._memory_limit = int(options.get("memory_limit", 3 * _GIB))
        self._time_limit = float(options.get("time_limit", 120))
        self._python = str(options.get("python") or sys.executable)
        self._models = _folder(options)
        self._idle: list[asyncio.subprocess.Process] = []

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do honestly, by its own catalogue and the site's model cards."""
        by_model = self._offered_by_models()
        return Capabilities(
            operations={
                Operation(name): None if name in by_model else reason
                for name, reason in AVAILABLE.items()
            },
            any_background_colour=True,
            formats=frozenset(ResultFormat),
            takes_masks=True,
            max_result_side=get_settings().limits.max_result_side,
        )

    def problems(self) -> tuple[str, ...]:
        """Say so where numpy is missing, or onnxruntime where there are models to run."""
        found = []
        if importlib.util.find_spec("numpy") is None:
            found.append('numpy is missing. Install it with: pip install "django-hili[local]"')
        if self._models is not None and not _can_run_models():
            found.append('onnxruntime is missing. Install it with: pip install "django-hili[onnx]"')
        return tuple(found)

    def card_problems(self) -> tuple[str, ...]:
        """Say what is wrong with model cards and files, without running any."""
        return () if self._models is None else self._models.problems()

    def probe_problems(self) -> tuple[str, ...]:
        """Run every model once on a made picture, in a process with the usual limits."""
        if self._models is None or not _can_run_models():
            return ()
        command = [self._python, "-m", _MODULE, *self._arguments(), "--probe"]
        limit = self._time_limit * max(1, len(self._models.cards()))
        try:
            ran = subprocess.run(  # noqa: S603 - our own module, by the site's own interpreter
                command, capture_output=True, timeout=limit, env=_environment(), check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return ("The models could not be probed: the process did not start or end.",)
        if ran.returncode != 0:
            return ("The models could not be probed: one needs more than 'memory_limit' allows.",)
        return tuple(json.loads(ran.stdout))

    def _offered_by_models(self) -> frozenset[str]:
        if self._models is None or not _can_run_models():
            return frozenset()
        return offered(self._models.cards())

    def _arguments(self) -> list[str]:
        """What the process is told when it starts."""
        limits = [str(self._memory_limit), "--seconds", str(math.ceil(self._time_limit))]
        if self._models is None:
            return limits
        allowed = ["--allow-non-commercial"] if self._models.allow_non_commercial else []
        return [*limits, "--models", str(self._models.path), *allowed]

    async def enhance(
        self, photo: Photo, enhancement: Enhancement, report: Report
    ) -> EnhancedPhoto:
        """Hand the photo to an idle process, or a new one, and wait within the time limit."""
        process = self._idle.pop() if self._idle else await self._start()
        try:
            async with asyncio.timeout(self._time_limit):
                answer, content = await self._ask(process, photo, enhancement, report)
        except TimeoutError:
            await _kill(process)
            raise ProviderError(Code.ENGINE_TIMED_OUT) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            # The process died: out of memory, or a picture that breaks a decoder.
            await _kill(process)
            raise ProviderError(Code.ENGINE_CRASHED) from None
        except BaseException:
            await _kill(process)
            raise
        self._idle.append(process)
        if answer["kind"] == "refused":
            raise ProviderError(Code(answer["code"]))
        cut = answer["content_size"]
        return EnhancedPhoto(
            content=content[:cut],
            mask=content[cut:] or None,
            content_type=answer["content_type"],
            width=answer["width"],
            height=answer["height"],
            steps=tuple(
                Step(s["operation"], s["method"], s["confidence"], tuple(s["warnings"]))
                for s in answer["steps"]
            ),
            warnings=tuple(Code(code) for code in answer["warnings"]),
        )

    async def aclose(self) -> None:
        """End the idle processes. Busy ones are ended by the call that waits for them."""
        while self._idle:
            await _kill(self._idle.pop())

    async def _start(self) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                self._python,
                "-m",
                _MODULE,
                *self._arguments(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # a signal meant for the worker must not end a photo
            )
        except OSError:
            raise ProviderError(Code.ENGINE_UNAVAILABLE, retryable=True) from None

    async def _ask(
        self,
        process: asyncio.subprocess.Process,
        photo: Photo,
        enhancement: Enhancement,
        report: Report,
    ) -> tuple[dict[str, Any], bytes]:
        assert process.stdin is not None  # noqa: S101 - both were asked for as pipes
        assert process.stdout is not None  # noqa: S101
        mask = photo.mask or b""
        process.stdin.write(pack(_request(photo, enhancement), photo.content + mask))
        await process.stdin.drain()
        while True:
            head = await process.stdout.readexactly(8)
            head_size, content_size = unpack_head(head)
            answer = json.loads(await process.stdout.readexactly(head_size))
            if answer["kind"] == "progress":
                report(answer["stage"], answer["fraction"])
                continue
            content = await process.stdout.readexactly(content_size) if content_size else b""
            return answer, content


def _folder(options: Mapping[str, Any]) -> Folder | None:
    path = options.get("models")
    if not path:
        return None
    return Folder(Path(path).absolute(), bool(options.get("allow_non_commercial_models", False)))


def _can_run_models() -> bool:
    return importlib.util.find_spec("onnxruntime") is not None


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        # One thread per BLAS call: the engine itself uses two threads over tiles.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def _request(photo: Photo, enhancement: Enhancement) -> dict[str, Any]:
    background = enhancement.background
    return {
        "photo_size": len(photo.content),
        "wants_mask": photo.wants_mask,
        "operations": [operation.value for operation in enhancement.operations],
        "scale": enhancement.scale,
        "image_type": enhancement.image_type.value,
        "background": background.name if background else None,
        "background_rgb": background.rgb if background else None,
        "dpi": enhancement.dpi,
        "format": enhancement.format.value if enhancement.format else None,
        "max_megapixels": get_settings().limits.max_megapixels,
    }


async def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
