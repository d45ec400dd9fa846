"""Words of a wrong kind: whatever JSON can hold, every address answers with a problem."""

from __future__ import annotations

import itertools

import pytest
from django.core.cache import cache
from rest_framework import exceptions, serializers
from rest_framework.throttling import ScopedRateThrottle

from django_hili.api import batches, estimates, jobs, policies, rights, verbs
from django_hili.api.base import Door
from django_hili.api.problems import problem_handler
from django_hili.api.serializers import UploadSerializer, WishSerializer
from django_hili.exceptions import InvalidOptionsError
from tests import people

pytestmark = pytest.mark.django_db(transaction=True)
API = "/hili/api/v1/"
JUNK = (
    None, True, False, 0, -1, 10**30, 1.5, float("1e308"), "", " ", "sr", "x" * 100_000, "\0",
    "\ud800", "sr,sr", ",", [], [[]], ["sr", 1], [["sr"]], [{}], ["x" * 17], [None], {}, {"a": {}},
    {"sr": "sr"}, [["sr"], "sr"], ["sr"] * 2000,
)  # fmt: skip


def is_problem(answer) -> bool:
    """A refusal by its code, with every fault named."""
    body = answer.data if hasattr(answer, "data") else answer.json()
    faults = body.get("errors", [])
    return body["code"] != "" and all(
        isinstance(fault[word], str) for fault in faults for word in ("field", "code", "detail")
    )


def readers(kind=serializers.Serializer):
    """Every class of ours that reads words."""
    for reader in kind.__subclasses__():
        if reader.__module__.startswith("django_hili.api"):
            yield reader
            yield from readers(reader)


def test_the_rooms_readers_are_all_asked():
    named = {batches.NewBatchSerializer, estimates.EstimateSerializer, policies.NewConsent,
             rights.NewRequest, rights.Corrections, verbs.AgainSerializer, jobs.FilterSerializer,
             UploadSerializer, WishSerializer}  # fmt: skip
    assert named < set(readers())


@pytest.mark.parametrize("reader", sorted(set(readers()), key=lambda kind: kind.__name__))
def test_every_reader_refuses_what_it_cannot_use(reader):
    fields = tuple(reader().fields)
    whole = [*JUNK, [["a"]], [{"a": 1}]]
    one_wrong = ({name: junk} for name, junk in itertools.product(fields, JUNK))
    for data in (*whole, *one_wrong):
        words = reader(data=data)
        try:
            words.is_valid(raise_exception=True)
        except (exceptions.ValidationError, InvalidOptionsError) as error:
            answer = problem_handler(error, {})
            assert answer.status_code == 422
            assert is_problem(answer), data


@pytest.fixture
def job(anna, photo):
    return people.enhance(photo, operations=["sr"], scale=2, subject=anna)


PLACES = {
    "estimate/": ("post", "operations scale photos"),
    "jobs/{job}/again/": ("post", "operations dry_run"),
    "jobs/{job}/release/": ("post", "accept_possible_charge"),
    "privacy/consents/": ("post", "version notice purpose age_band"),
    "privacy/requests/": ("post", "kind text"),
    "privacy/data/": ("patch", "age_band region"),
    "privacy/photos/{job}/": ("delete", "ground"),
    "jobs/": ("post", ""),
    "batches/": ("post", ""),
}


@pytest.mark.parametrize("place", PLACES)
def test_no_words_make_an_address_fail(anna, job, place):
    client = people.client_of(anna)
    method, names = PLACES[place]
    address = API + place.format(job=job.pk)
    junk = [words for words in JUNK if words != "\ud800"]  # no bytes can say that
    for data in (*junk, *({name: words} for name in names.split() for words in junk)):
        answer = getattr(client, method)(address, data, "application/json")
        assert answer.status_code < 500, data
        assert answer.status_code < 400 or is_problem(answer), data


@pytest.mark.parametrize("operations", [3, {"sr": 1}, [["sr"]], ["sr", 1], ["x" * 17], "x" * 17])
def test_operations_of_a_wrong_kind_are_named(anna, operations):
    answer = people.client_of(anna).post(
        f"{API}estimate/", {"operations": operations}, "application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "option_invalid")
    assert answer.json()["errors"][0]["field"].startswith("operations")


def test_every_verb_takes_json(anna, photo):
    made = people.enhance_many([photo], subject=anna, operations=["sr"], scale=2)
    client = people.client_of(anna)
    verbs_of = {f"jobs/{made.jobs[0].pk}/": ("hold", "release", "retry", "again", "cancel"),
                f"batches/{made.batch.pk}/": ("cancel",)}  # fmt: skip
    for place, names in verbs_of.items():
        for name in names:
            told = client.options(f"{API}{place}{name}/").json()
            assert "application/json" in told["parses"], name


def test_a_sites_own_throttle_by_scope_is_not_asked_about_ours(anna, job, monkeypatch):
    """It knows the scopes of the site's views, and any other is an error of its own."""
    monkeypatch.setattr(ScopedRateThrottle, "THROTTLE_RATES", {"site": "1/hour"})
    monkeypatch.setattr(Door, "throttle_classes", [ScopedRateThrottle])
    cache.clear()
    client = people.client_of(anna)
    assert client.get(f"{API}jobs/").status_code == 200
    assert client.get(f"{API}jobs/{job.pk}/").status_code == 200
    assert client.post(f"{API}jobs/{job.pk}/hold/").status_code == 200
