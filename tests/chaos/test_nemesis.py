"""Workers are killed, frozen, cut off and cheated by a seed; then all must be as it should.

A slice runs with every run of the tests; `make chaos` runs the whole. A failure prints the seed
and the words to run it again:

    make chaos SEED=4711 KILLS=40 PAUSES=10
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests.chaos.cuts import open_cutter
from tests.chaos.nemesis import LEASE, Aim, Nemesis, points
from tests.chaos.nursery import open_nursery
from tests.chaos.oracle import Findings, Oracle
from tests.vendors import vendor_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

SEED = int(os.environ.get("HILI_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
KILLS = int(os.environ.get("HILI_CHAOS_KILLS", "16"))
PAUSES = int(os.environ.get("HILI_CHAOS_PAUSES", "4"))
CUTS = int(os.environ.get("HILI_CHAOS_CUTS", "4"))


@pytest.fixture
def campaign(anna, settings, tmp_path, capsys):
    """Run a campaign to its end and return what the oracle found."""

    def run(seed: int, aim: Aim, *, charging: str = "upload", **options) -> Findings:
        given = {"timeouts": {"read": 2.0, "connect": 2.0}, **options}
        with (
            vendor_for(settings, charging=charging, credit_count=10**6, **given) as vendor,
            open_cutter() as cutter,
            open_nursery(
                tmp_path / "workers.log",
                HILI_TEST_VENDOR=vendor.base_url,
                HILI_TEST_LEASE=str(LEASE),
                HILI_TEST_CHARGING=charging,
                HILI_TEST_OPTIONS=json.dumps(given),
                **cutter.variables,
            ) as nursery,
        ):
            oracle = Oracle(vendor, by_download=charging == "download")
            nemesis = Nemesis(
                seed=seed, aim=aim, oracle=oracle, nursery=nursery, cutter=cutter, user=anna
            )
            nemesis.rage()
            nemesis.calm()
            nemesis.deeds.kills += reincarnations(tmp_path / "workers.log")
            found = oracle.judge(may_fail=aim.faults == "deadly")
            oracle.judge_afterwards(found)
        where = f"{connection.vendor}, {aim.host}, charged per {charging}, seed {seed}"
        words = [f"{where}: {nemesis.deeds}; {found}", *found.wrong[:20]]
        with capsys.disabled():
            sys.stdout.write("\n" + "\n  ".join(words) + "\n")
        return found

    return run


def reincarnations(log: Path) -> int:
    """How often a cluster noticed that a worker of its own had died at its point."""
    return len(
        set(re.findall(r"^.*reincarnated worker .* after death", log.read_text(), re.MULTILINE))
    )


def side_by_side() -> int:
    return 2 if connection.vendor == "sqlite" else 3


IS_WHOLE = "HILI_CHAOS_KILLS" in os.environ
CAMPAIGNS = [("upload", "deadly"), ("download", "harmless")]
if IS_WHOLE:
    CAMPAIGNS += [("upload", "none"), ("upload", "harmless")]


@pytest.mark.parametrize(("charging", "faults"), CAMPAIGNS)
def test_nothing_is_lost_or_paid_twice(campaign, charging, faults):
    share = len(CAMPAIGNS)
    aim = Aim(
        kills=KILLS // share,
        pauses=PAUSES // share,
        cuts=CUTS // share,
        faults=faults,
        side_by_side=side_by_side(),
    )
    found = campaign(SEED, aim, charging=charging)
    assert not found.wrong, (SEED, found.wrong)


def test_the_plain_qcluster_as_well(campaign):
    aim = Aim(
        kills=max(2, KILLS // 10),
        pauses=max(1, PAUSES // 10),
        cuts=CUTS // 10,
        faults="harmless",
        host="qcluster",
        side_by_side=1,
    )
    assert campaign(SEED, aim).wrong == []


def test_every_point_of_a_remote_trip_is_in_the_draw():
    assert {"before_barrier", "after_barrier", "after_answer", "after_write"} <= set(points())
