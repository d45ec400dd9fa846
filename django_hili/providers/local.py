"""The embedded engine as a provider: no account, no network, each photo in a process apart.

Owns the processes that decode and compute: they are started when needed, reused, limited in
memory and time, and killed when they overstep. Knows the engine only through that process.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from django_hili.codes import Code
from django_hili.conf import get_settings
from django_hili.engine.catalogue import AVAILABLE
from django_hili.exceptions import ProviderError
from django_hili.providers.base import DirectProvider, EnhancedPhoto, Photo, Report, Step
from django_hili.providers.frames import pack, unpack_head
from django_hili.vocabulary import Capabilities, Enhancement, Operation, ResultFormat

_MODULE = "django_hili.providers.local_process"
_GIB = 1024**3


class LocalProvider(DirectProvider):
    """Enhances photos on this server. Options: `memory_limit` (bytes), `time_limit` (seconds),
    `python` (the interpreter to start, where the server's own executable is not Python)."""

    def __init__(self, alias: str, options: Mapping[str, Any]) -> None:
        super().__init__(alias, options)
        self._memory_limit = int(options.get("memory_limit", 3 * _GIB))
        self._time_limit = float(options.get("time_limit", 120))
        self._python = str(options.get("python") or sys.executable)
        self._idle: list[asyncio.subprocess.Process] = []

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do honestly, by its own catalogue."""
        return Capabilities(
            operations={Operation(name): reason for name, reason in AVAILABLE.items()},
            any_background_colour=True,
            formats=frozenset(ResultFormat),
            max_result_side=get_settings().limits.max_result_side,
        )

    def problems(self) -> tuple[str, ...]:
        """Say so where numpy is missing: the engine cannot run without it."""
        if importlib.util.find_spec("numpy") is None:
            return ('numpy is missing. Install it with: pip install "django-hili[local]"',)
        return ()

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
        return EnhancedPhoto(
            content=content,
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
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            # One thread per BLAS call: the engine itself uses two threads over tiles.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
        }
        try:
            return await asyncio.create_subprocess_exec(
                self._python,
                "-m",
                _MODULE,
                str(self._memory_limit),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment,
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
        process.stdin.write(pack(_request(enhancement), photo.content))
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


def _request(enhancement: Enhancement) -> dict[str, Any]:
    background = enhancement.background
    return {
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
