"""A slice of the fuzzing in every run of the tests; `make fuzz` runs all of it."""

from __future__ import annotations

import pytest

from tests.fuzz.mutate import NAMES, case
from tests.fuzz.run import MAX_MEGAPIXELS, run

pytestmark = pytest.mark.process
SLICE = 300


def test_every_broken_photo_gets_a_photo_or_a_code(settings):
    settings.HILI = {"LIMITS": {"MAX_MEGAPIXELS": MAX_MEGAPIXELS}}
    report = run(0, SLICE)
    assert report.broken == [], report.text()
    for side, outcomes in report.outcomes.items():
        assert outcomes.total() == SLICE, side
        # Were everything refused, or nothing, then nothing would have been fuzzed.
        assert SLICE // 10 < outcomes["a photo"] < SLICE * 9 // 10, report.text()
        assert outcomes["photo_damaged"] > SLICE // 10, report.text()


def test_a_case_is_the_same_whenever_it_is_made():
    for number in (0, 31, 4711, 10_000_000):
        assert case(number) == case(number)
    assert len({case(number)[1] for number in range(40 * len(NAMES))}) > 35 * len(NAMES)
