"""What a result file says about itself."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from django_hili.imaging.encode import SourceType, encode_jpeg, encode_png
from tests.photos import picture


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


def test_colour_is_not_subsampled():
    from PIL import JpegImagePlugin

    opened = Image.open(io.BytesIO(encode_jpeg(picture())))
    assert JpegImagePlugin.get_sampling(opened) == 0
