"""What the engine refuses honestly reaches the person as a code of its own, and nothing is kept."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from django_hili.codes import Code
from django_hili.models import JobStatus, Media, PhotoJob
from tests import people, photos

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

PLAIN = photos.saved(Image.new("RGB", (200, 240), (120, 160, 200)), "PNG")
NOISE = photos.saved(
    Image.fromarray(np.random.default_rng(3).integers(0, 255, (240, 200, 3), np.uint8)), "PNG"
)
REFUSED = [
    (photos.png(8, 8), Code.PHOTO_TOO_SMALL),
    (PLAIN, Code.PERSON_NOT_FOUND),
    (NOISE, Code.BACKGROUND_BUSY),
]


@pytest.mark.parametrize(("content", "code"), REFUSED)
def test_a_cut_out_that_cannot_be_honest_is_refused(anna, work, stored, content, code):
    job = people.enhance(content, operations=["bg"], background="white", subject=anna)
    work()
    job.refresh_from_db()
    assert (job.status, job.code) == (JobStatus.FAILED, code)
    assert job.failure_sentence.endswith(".")
    assert stored() == {}
    assert not Media.objects.exists()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (Code.RESULT_TOO_LARGE, "larger than 5000 pixels on a side"),
        (Code.PHOTO_TOO_MANY_PIXELS, "more than 12 megapixels"),
    ],
)
def test_a_job_that_failed_for_a_limit_names_the_limit(settings, code, said):
    settings.HILI = {"LIMITS": {"MAX_RESULT_SIDE": 5000, "MAX_MEGAPIXELS": 12}}
    assert said in PhotoJob(code=code.value).failure_sentence
