"""Documents, as values: their figures agree with each other."""

from __future__ import annotations

import pytest

from django_hili.exceptions import InvalidOptionsError
from django_hili.imaging.documents import DOCUMENTS, find_document

PIXELS = {
    "cn-1-inch": (295, 413),
    "cn-2-inch": (413, 579),
    "cn-passport": (390, 567),
    "eu-passport": (413, 531),
    "uk-passport": (413, 531),
    "us-passport": (600, 600),
    "us-visa-digital": (600, 600),
    "jp-passport": (413, 531),
    "jp-30x40": (354, 472),
    "in-35x45": (413, 531),
    "in-2x2": (600, 600),
}


def test_every_document_has_its_size_in_pixels():
    assert {name: document.size for name, document in DOCUMENTS.items()} == PIXELS


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=str)
def test_figures_agree(document):
    head, top, eyes = document.head_mm, document.top_mm, document.eyes_mm
    for bounds in filter(None, (head, top, eyes)):
        assert 0 < bounds[0] < bounds[1] < document.height_mm
    if head and top:
        assert head[1] + top[1] < document.height_mm
    assert not (top and eyes), "one of them says where the head is"
    assert find_document(document.name) is document


def test_a_document_cannot_be_changed():
    with pytest.raises(TypeError):
        DOCUMENTS["moon"] = DOCUMENTS["cn-1-inch"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        DOCUMENTS["cn-1-inch"].dpi = 72  # type: ignore[misc]


def test_an_unknown_document_names_the_known_ones():
    with pytest.raises(InvalidOptionsError, match="cn-1-inch"):
        find_document("moon")
