"""Owns one loaded model: its onnxruntime session, its sizes, its time limit; knows its card, no
operation.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from django_hili.engine.cards import library
from django_hili.engine.cards.card import Card
from django_hili.engine.cards.folder import check_model, main_input, model_path, sides
from django_hili.engine.cards.table import CardError
from django_hili.engine.cards.tensors import decode, encode, encode_extra
from django_hili.engine.pixels import Mask, Pixels, Plane
from django_hili.engine.refusals import EngineRefusal
from django_hili.engine.tiles import WORKERS

MISSING = 'onnxruntime is missing. Install it with: pip install "django-hili[onnx]"'

OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "allocate memory", "PosixThread")
"""What onnxruntime says, by address space used up: the last one is a thread without a stack."""


def onnxruntime() -> Any:
    """Import the optional library, or raise CardError that names the extra."""
    try:
        return library.onnxruntime()
    except ImportError:
        raise CardError(MISSING) from None


class Model:
    """A model file that has been checked against its card and loaded. Raises CardError where it
    cannot be.
    """

    def __init__(self, card: Card) -> None:
        runtime = onnxruntime()
        port = main_input(card, check_model(card))
        path = model_path(card)
        self.card = card
        self.size = path.stat().st_size
        """Of the file, in bytes."""
        self._input = port.name
        self._fixed = sides(card, port)
        self._library = runtime
        options = runtime.SessionOptions()
        options.intra_op_num_threads = WORKERS
        options.log_severity_level = 4
        # Without these, memory grows with every size of input and is never given back.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        try:
            # By its path: given as bytes, onnxruntime would keep those too for as long as it lives.
            self._session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no common base
            raise CardError(f"onnxruntime cannot load {card.file}: {_reason(error)}") from None

    def tile(self) -> tuple[int, int]:
        """Height and width of every tile and window."""
        given = self.card.input
        side = self.card.tile.size // given.multiple * given.multiple
        return self._fixed[0] or side, self._fixed[1] or side

    def stretched(self, height: int, width: int) -> tuple[int, int]:
        """What a photo of `height` x `width` is resized to."""
        given = self.card.input
        if self._fixed[0] and self._fixed[1]:
            return self._fixed[0], self._fixed[1]
        if len(given.size) == 2:
            return given.size[0], given.size[1]
        factor = given.size[0] / max(height, width)
        least = -(-given.min // given.multiple) * given.multiple
        rows, columns = (
            max(round(side * factor / given.multiple) * given.multiple, least)
            for side in (height, width)
        )
        return self._fixed[0] or rows, self._fixed[1] or columns

    @contextmanager
    def turn(self, seconds: float) -> Iterator[Turn]:
        """Give one photo its time with the model. Raises EngineRefusal("model_timed_out")."""
        options = self._library.RunOptions()
        options.log_severity_level = 4
        bell = threading.Timer(seconds, setattr, (options, "terminate", True))
        bell.daemon = True
        bell.start()
        try:
            yield Turn(self, options)
        finally:
            bell.cancel()

    def run(self, window: Pixels, mask: Mask | None, options: Any) -> Plane:
        """Run the graph once; see `tensors.decode` for what comes back. Raises CardError."""
        card = self.card
        feed = {self._input: encode(window, card.input)}
        for extra in card.extra:
            feed[extra.name] = encode_extra(extra, card.input.layout, mask)
        try:
            answers = self._session.run(None, feed, options)
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no common base
            if options.terminate:
                raise EngineRefusal(
                    "model_timed_out", "The model took too long over this photo."
                ) from None
            raise CardError(f"onnxruntime cannot run {card.file}: {_reason(error)}") from None
        return decode(np.asarray(answers[card.output.index]), card)


class Turn:
    """One photo's time with a model."""

    def __init__(self, model: Model, options: Any) -> None:
        self.model = model
        self._options = options

    def __call__(self, window: Pixels, mask: Mask | None = None) -> Plane:
        """Answer for one window whose shape the model takes."""
        if self._options.terminate:
            raise EngineRefusal("model_timed_out", "The model took too long over this photo.")
        return self.model.run(window, mask, self._options)


def _reason(error: Exception) -> str:
    """The first line of what onnxruntime says, or in plain words that memory ran out."""
    said = (str(error).strip().splitlines() or ["no reason given"])[0]
    if isinstance(error, MemoryError) or any(word in said for word in OUT_OF_MEMORY):
        return "it needs more memory than 'memory_limit' allows."
    return said[:200]
