"""Sheets to print: how many photos, how large, with marks that touch none."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image, PdfParser

from django_hili.codes import Code
from django_hili.exceptions import InvalidOptionsError
from django_hili.imaging.documents import DOCUMENTS, Document
from django_hili.imaging.encode import SourceType, mark_of
from django_hili.imaging.print_sheet import PAPERS, encode_sheet, find_paper, lay_out

COLOUR = (10, 140, 60)


def sheet_of(name: str, paper: str) -> tuple[Image.Image, Document]:
    document = DOCUMENTS[name]
    photo = Image.new("RGB", document.size, COLOUR)
    return lay_out(photo, document=document, paper=PAPERS[paper]), document


@pytest.mark.parametrize(
    ("name", "paper", "count", "size"),
    [
        ("cn-1-inch", "10x15", 12, (1200, 1800)),
        ("cn-2-inch", "10x15", 4, None),
        ("eu-passport", "10x15", 8, (1800, 1200)),
        ("us-passport", "10x15", 2, None),
        ("eu-passport", "a4", 30, None),
        ("us-passport", "a4", 15, None),
    ],
)
def test_as_many_as_fit_each_whole(name, paper, count, size):
    sheet, document = sheet_of(name, paper)
    if size:
        assert sheet.size == size
    photos = (np.asarray(sheet) == COLOUR).all(axis=2)
    assert photos.sum() == count * document.size[0] * document.size[1]
    # Two millimetres apart, three from the edge.
    assert not photos[:35].any()
    assert not photos[:, :35].any()


def test_marks_stand_on_the_cutting_lines_and_touch_no_photo():
    sheet, _ = sheet_of("eu-passport", "10x15")
    pixels = np.asarray(sheet).astype(int)
    photos = (pixels == COLOUR).all(axis=2)
    marks = ~photos & (pixels.sum(axis=2) < 600)
    assert marks.any()
    near = photos.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            near |= np.roll(photos, step, axis)
    assert not (near & marks).any()
    edges = photos.any(axis=0).astype(int)
    columns = set(np.flatnonzero(np.diff(edges) == 1) + 1) | set(
        np.flatnonzero(np.diff(edges) == -1)
    )
    top = int(np.argmax(photos.any(axis=1)))
    assert set(np.flatnonzero(marks[: top - 1].any(axis=0))) >= columns


def test_the_pdf_has_the_papers_true_size():
    for paper, points in (("10x15", (432, 288)), ("a4", (595.2, 841.9))):
        sheet, document = sheet_of("eu-passport", paper)
        made = encode_sheet(sheet, dpi=document.dpi, file_format="pdf")
        assert made.startswith(b"%PDF-")
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", made)
        assert sorted(map(float, box.groups())) == pytest.approx(sorted(points), abs=0.5)


def test_the_png_says_its_resolution():
    sheet, document = sheet_of("cn-1-inch", "a4")
    with Image.open(io.BytesIO(encode_sheet(sheet, dpi=document.dpi, file_format="png"))) as opened:
        assert round(opened.info["dpi"][0]) == 300
        assert {opened.width, opened.height} == {2480, 3508}


@pytest.mark.parametrize("file_format", ["png", "pdf"])
@pytest.mark.parametrize("mark", SourceType)
def test_a_sheet_carries_the_mark_of_its_photo(file_format, mark):
    sheet, document = sheet_of("cn-1-inch", "10x15")
    plain = encode_sheet(sheet, dpi=document.dpi, file_format=file_format)
    marked = encode_sheet(sheet, dpi=document.dpi, file_format=file_format, mark=mark)
    assert mark_of(plain) is None
    assert mark_of(marked) is mark


def test_the_marked_pdf_is_a_sound_pdf():
    """Pillow's own reader follows the update: catalogue, metadata and the page are all there."""
    sheet, document = sheet_of("cn-1-inch", "10x15")
    made = encode_sheet(sheet, dpi=document.dpi, file_format="pdf", mark=SourceType.MODEL)
    with PdfParser.PdfParser(buf=bytearray(made)) as read:
        assert len(read.pages) == 1
        reference = read.root[b"Metadata"]
        offset = read.xref_table[reference.object_id][0]
    assert made[offset:].startswith(b"%d 0 obj" % reference.object_id)
    assert SourceType.MODEL.xmp in made[offset:]


def test_what_does_not_fit_and_what_is_no_paper_is_refused():
    poster = Document("poster", "", 300, 400)
    with pytest.raises(InvalidOptionsError) as refusal:
        lay_out(Image.new("RGB", poster.size), document=poster, paper=PAPERS["a4"])
    assert refusal.value.code == Code.SHEET_TOO_SMALL
    with pytest.raises(InvalidOptionsError, match="10x15, a4"):
        find_paper("napkin")
