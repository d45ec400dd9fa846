"""Owns which card is taken for a photo; knows cards, no model and no pixels."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django_hili.engine.cards.card import Card
from django_hili.engine.catalogue import AVAILABLE
from django_hili.engine.refusals import EngineRefusal


def offered(cards: Collection[Card]) -> frozenset[str]:
    """The operations that can be asked for because of these cards."""
    return frozenset(card.operation for card in cards)


def candidates(
    cards: Collection[Card],
    *,
    operation: str,
    kinds: Collection[str],
    image_type: str,
    megapixels: float,
) -> list[Card]:
    """The cards that may take a photo, those made for its image type first, then by file name.

    A card for other types is used only where the engine has no method of its own. Raises
    EngineRefusal("model_limit") where there is none either and the photo is too large.
    """
    fitting = [card for card in cards if card.operation == operation and card.output.kind in kinds]
    small = [card for card in fitting if megapixels <= card.limits.max_megapixels]
    only_way = AVAILABLE[operation] is not None
    if fitting and not small and only_way:
        raise EngineRefusal("model_limit", "The photo is larger than the model may be given.")
    ranks = [0 if image_type in card.types else 1 if not card.types else 2 for card in small]
    ranked = sorted(zip(ranks, small, strict=True), key=lambda pair: pair[0])
    return [card for rank, card in ranked if rank < 2 or only_way]


def passes(target: int, cards: Sequence[Card]) -> list[tuple[Card | None, int]]:
    """Plan to enlarge by `target`: in each pass a card, and what the pass shall enlarge by.

    The largest model that fits is taken first, then the rest is planned in the same way. Where
    every model enlarges too much, the smallest one's answer is made smaller again. None stands for
    the engine's own nets. Of cards with one scale the first is taken.
    """
    fitting = [card for card in cards if target % card.output.scale == 0]
    if not fitting:
        return [(min(cards, key=lambda card: card.output.scale), target)] if cards else []
    card = max(fitting, key=lambda card: card.output.scale)
    rest = target // card.output.scale
    if rest == 1:
        return [(card, target)]
    again = [other for other in fitting if rest % other.output.scale == 0]
    return [(card, card.output.scale), *(passes(rest, again) or [(None, rest)])]
