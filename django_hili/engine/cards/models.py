"""Owns how each operation is done by a card's model: what it sees, what is used of its answer.

Asked by the pipeline before the engine's own methods. Knows every kind of card, and the engine's
own operations where a card does half of one; knows no TOML and no provider.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from django_hili.engine import scratch as scratching
from django_hili.engine import sr as enlarging
from django_hili.engine.cards import colours, fits
from django_hili.engine.cards.card import Card
from django_hili.engine.cards.choice import candidates, offered, passes
from django_hili.engine.cards.folder import Folder
from django_hili.engine.cards.matte import freed
from django_hili.engine.cards.model import Model, Turn
from django_hili.engine.cards.probe import probe
from django_hili.engine.cards.table import CardError
from django_hili.engine.cards.tensors import levels, picture
from django_hili.engine.catalogue import AVAILABLE
from django_hili.engine.filters import enlarged_rows
from django_hili.engine.pipeline import Done, Step, Task, Tell
from django_hili.engine.pixels import Mask, Pixels, Plane, resize
from django_hili.engine.refusals import EngineRefusal

UNJUDGED = 0.5
"""Confidence of every step by a model: the engine has measured nothing about an owner's model."""
KEPT_BYTES = 512 * 1024**2
"""Of model files that stay loaded between photos; the one in use always does."""
MUCH = 0.15
"""Share of the photo above which a filling is more guess than repair, as for the engine's own."""
STRIP = 256
PICTURES = ("image", "residual")


class Models:
    """The cards of one folder, each loaded and probed at its first use. One per process."""

    def __init__(self, folder: Folder) -> None:
        self._cards = folder.cards()
        self._loaded: dict[str, Model] = {}

    @property
    def offered(self) -> frozenset[str]:
        """The operations that can be asked for because of the cards."""
        return offered(self._cards)

    def problems(self) -> tuple[str, ...]:
        """Load and probe every card's model, one after the other; one sentence for each failure."""
        found = []
        for card in self._cards:
            try:
                probe(Model(card))
            except CardError as error:
                found.append(f"{card.path.name}: {error}")
            except EngineRefusal:
                found.append(f"{card.path.name}: The probe took longer than a minute.")
        return tuple(found)

    def __call__(self, task: Task, tell: Tell) -> Done | None:
        """Do one operation, or return None where no card is for it.

        Raises EngineRefusal "model_unusable" (the set-up is wrong), "model_failed",
        "model_timed_out" or "model_limit" (too large a photo for the only method there is).
        """
        ways = {"sr": self._sr, "colour": self._colour, "bg": self._bg, "scratch": self._scratch}
        try:
            return ways.get(task.operation, self._clean)(task, tell)
        except CardError as error:
            raise EngineRefusal("model_failed", str(error)) from None

    def _for(self, task: Task, *kinds: str) -> list[Card]:
        return candidates(
            self._cards,
            operation=task.operation,
            kinds=kinds,
            image_type=task.image_type,
            megapixels=task.pixels.shape[0] * task.pixels.shape[1] / 1e6,
        )

    @contextmanager
    def _turn(self, card: Card) -> Iterator[Turn]:
        """Load and probe a card's model once, and give the photo its time with it."""
        model = self._loaded.pop(card.name, None)
        if model is None:
            try:
                model = Model(card)
                probe(model)
            except CardError as error:
                raise EngineRefusal("model_unusable", f"{card.path.name}: {error}") from None
        self._loaded[card.name] = model  # now the last, so the last to be forgotten
        while len(self._loaded) > 1 and sum(one.size for one in self._loaded.values()) > KEPT_BYTES:
            self._loaded.pop(next(iter(self._loaded)))
        with model.turn(card.limits.timeout_s) as turn:
            yield turn

    def _clean(self, task: Task, tell: Tell) -> Done | None:
        """Repair and defogging: the same size, the model's pixels."""
        for card in self._for(task, *PICTURES)[:1]:
            with self._turn(card) as turn:
                pixels = fits.tiled(turn, task.pixels, _finish(card, 1), scale=1, tell=tell)
            return Done(pixels, _step(task, card))
        return None

    def _sr(self, task: Task, tell: Tell) -> Done | None:
        """Enlarge in as few passes as the cards at hand allow."""
        plan = passes(task.scale or 1, self._for(task, *PICTURES))
        pixels, methods = task.pixels, []
        for done, (card, scale) in enumerate(plan):

            def part(fraction: float, done: int = done) -> None:
                tell((done + fraction) / len(plan))

            if card is None:
                pixels, method = enlarging.sr(
                    pixels, scale=scale, image_type=task.image_type, progress=part
                )
            else:
                with self._turn(card) as turn:
                    finish, method = _finish(card, scale), f"model:{card.name}"
                    pixels = fits.tiled(turn, pixels, finish, scale=scale, tell=part)
            methods.append(method)
        return Done(pixels, Step("sr", "+".join(methods), UNJUDGED)) if methods else None

    def _colour(self, task: Task, tell: Tell) -> Done | None:
        """The model's colour with the photo's lightness, which keeps every detail."""
        for card in self._for(task, "ab", "image")[:1]:
            with self._turn(card) as turn:
                answer = fits.stretched(turn, task.pixels)
            ab = colours.chroma(levels(answer)) if card.output.kind == "image" else answer
            return Done(_coloured(task.pixels, ab, tell), _step(task, card))
        return None

    def _bg(self, task: Task, tell: Tell) -> Done | None:
        """The model's opacity, and the person's own colours."""
        for card in self._for(task, "alpha")[:1]:
            with self._turn(card) as turn:
                share = fits.stretched(turn, task.pixels)[..., 0]
            tell(0.5)
            grey = task.pixels.ndim == 2
            pixels = np.repeat(task.pixels[..., None], 3, 2) if grey else task.pixels
            alpha = fits.widened(share, *pixels.shape[:2])
            return Done(freed(pixels, alpha), _step(task, card), alpha)
        return None

    def _scratch(self, task: Task, tell: Tell) -> Done | None:
        """Find with one card, fill with another; the engine does the half that no card is for."""
        finders = [] if task.mask is not None else self._for(task, "mask")
        fillers = self._for(task, "image")
        if not finders and not fillers:
            return None
        mask, found_by = self._found(task, finders, lambda fraction: tell(0.5 * fraction))
        if not mask.any():
            clean = Step("scratch", "none", UNJUDGED, ("no_scratch_found",))
            return Done(task.pixels, clean, mask=mask)
        if found_by == "net:scratch" and not scratching.is_believable(mask):
            doubt = Step("scratch", "none", UNJUDGED, ("too_many_scratches",))
            return Done(task.pixels, doubt, mask=mask)
        filled, filled_by = self._filled(task, mask, fillers, lambda f: tell(0.5 + 0.5 * f))
        warnings = ("much_of_the_photo_filled",) if mask.mean() > MUCH else ()
        step = Step("scratch", f"{found_by}+{filled_by}", UNJUDGED, warnings)
        return Done(filled, step, mask=mask)

    def _found(self, task: Task, finders: list[Card], tell: Tell) -> tuple[Mask, str]:
        if task.mask is not None:
            return task.mask, "mask:drawn"
        if not finders and (reason := AVAILABLE["scratch"]):
            raise EngineRefusal(reason, "There is no card that finds scratches. Draw a mask.")
        if not finders:
            found = scratching.find(task.pixels, tell, image_type=task.image_type)
            return scratching.grown(found), "net:scratch"
        card = finders[0]
        with self._turn(card) as turn:
            if card.input.fit == "stretch":
                odds = fits.widened(
                    fits.stretched(turn, task.pixels)[..., 0], *task.pixels.shape[:2]
                )
            else:
                odds = fits.tiled(turn, task.pixels, _as_odds, scale=1, tell=tell)
        return scratching.grown(odds >= round(card.output.threshold * 255)), f"model:{card.name}"

    def _filled(
        self, task: Task, mask: Mask, fillers: list[Card], tell: Tell
    ) -> tuple[Pixels, str]:
        if not fillers:
            return scratching.fill(task.pixels, mask, tell), "classical:thin-plate"
        with self._turn(fillers[0]) as turn:
            filled = fits.windowed(turn, task.pixels, mask, _finish(fillers[0], 1), tell)
        return filled, f"model:{fillers[0].name}"


def _step(task: Task, card: Card) -> Step:
    return Step(task.operation, f"model:{card.name}", UNJUDGED)


def _finish(card: Card, scale: int) -> fits.Finish:
    """How a tile's answer becomes pixels, `scale` times as large as the tile."""

    def finish(answer: Plane, window: Pixels) -> Pixels:
        large = picture(answer, window, card)
        if card.output.scale == scale:
            return large
        height, width = window.shape[0] * scale, window.shape[1] * scale
        return resize(large, height, width, Image.Resampling.BOX)

    return finish


def _as_odds(answer: Plane, _: Pixels) -> Pixels:
    """How likely each pixel is a scratch: 0..255."""
    return levels(answer[..., 0] * 255)


def _coloured(pixels: Pixels, ab: Plane, tell: Tell) -> Pixels:
    """Give the photo's lightness the colours of a coarse map of a* and b*."""
    height, width = pixels.shape[:2]
    out = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP):
        bottom = min(top + STRIP, height)
        near = [enlarged_rows(ab[..., k], top, bottom, height, width) for k in range(2)]
        out[top:bottom] = colours.rgb(colours.lightness(pixels[top:bottom]), np.stack(near, 2))
        tell(bottom / height)
    return out
