"""What a result file says about itself."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from django_hili.imaging.decode import decode
from django_hili.imaging.encode import SourceType, encode_jpeg, encode_png
from tests.photos import picture, saved


@pytest.mark.parametrize("mark", SourceType)
@pytest.mark.parametrize("encode", [encode_jpeg, encode_png])
def test_resolution_and_mark_are_written(encode, mark):
    content = encode(picture(), dpi=300, mark=mark)
    opened = Image.open(io.BytesIO(content))
    assert [round(value) for value in opened.info["dpi"]] == [300, 300]
    packet = opened.info["xmp"]
    packet = packet.encode() if isinstance(packet, str) else packet
    assert packet == mark.xmp
    assert f'DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{mark.value}"' in (
        packet.decode()
    )


@pytest.mark.parametrize(("came_with", "is_finer"), [(98, True), (92, False), (60, False)])
def test_writing_takes_no_more_away_than_was_taken_before(came_with, is_finer):
    source = Image.open(io.BytesIO(saved(picture(), "JPEG", quality=came_with)))
    tables = decode(saved(picture(), "JPEG", quality=came_with), max_megapixels=1).tables
    assert tables == source.quantization
    written = Image.open(io.BytesIO(encode_jpeg(picture(), tables=tables)))
    plain = Image.open(io.BytesIO(encode_jpeg(picture())))
    assert written.quantization == (source if is_finer else plain).quantization
    assert (written.quantization == plain.quantization) is not is_finer


def test_colour_is_not_subsampled():
    from PIL import JpegImagePlugin

    opened = Image.open(io.BytesIO(encode_jpeg(picture())))
    assert JpegImagePlugin.get_sampling(opened) == 0
