"""What options may say, and what `problems` says about them without a network."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

from django_hili.codes import Code
from django_hili.exceptions import HiliConfigurationError, InvalidOptionsError
from django_hili.providers.hili import HiliProvider
from django_hili.providers.hili_setup import Reader
from django_hili.providers.hili_v1 import HiliV1Provider
from django_hili.providers.registry import build_provider
from django_hili.providers.remote import Charging
from django_hili.testing import CountingBarrier, upload_of
from django_hili.vocabulary import Background, Enhancement, ImageType, Operation
from tests.providers.raw import Exchange, RawVendor, options, run, saying
from tests.providers.test_sending import parts_of

GOOD = {"third_code": "code", "secret_key": "secret"}


@pytest.fixture
def network() -> None:
    """Asked for by the few tests that send something."""


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "network" in request.fixturenames:
        return

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a set-up was checked over the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def problems(**more: Any) -> tuple[str, ...]:
    return HiliProvider("hili", {**GOOD, **more}).problems()


def test_the_least_that_is_needed() -> None:
    provider = HiliProvider("hili", GOOD)
    assert provider.problems() == ()
    assert provider.charging is Charging.UPLOAD
    assert provider._setup.base_url == "https://sdkphoto.fangtangtv.com"
    # Version 1 serves results from photo.fangtangtv.com.
    assert "fangtangtv.com" in provider._setup.results.hosts


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"third_code": None}, "third_code"),
        ({"secret_key": ""}, "secret_key"),
        ({"secret_key": "with\nline"}, "secret_key"),
        ({"secret_key": 7}, "secret_key"),
        ({"base_url": "http://example.org"}, "allow_http"),
        ({"base_url": "ftp://example.org"}, "base_url"),
        ({"base_url": "example.org"}, "base_url"),
        ({"base_url": "https://user:pass@example.org"}, "base_url"),
        ({"base_url": "https://example.org/?a=1"}, "base_url"),
        ({"base_url": "https://example.org:99999"}, "port"),
        ({"base_url": None}, "base_url"),
        ({"platform": "windows"}, "platform"),
        ({"charging": "never"}, "charging"),
        ({"slots": 0}, "slots"),
        ({"slots": "8"}, "slots"),
        ({"slots": True}, "slots"),
        ({"max_in_doubt": 0}, "max_in_doubt"),
        ({"max_in_doubt": 5}, "max_in_doubt"),
        ({"timeouts": {"read": -1}}, "timeouts"),
        ({"timeouts": {"reading": 1}}, "timeouts"),
        ({"timeouts": 5}, "timeouts"),
        ({"result_hosts": "example.org"}, "result_hosts"),
        ({"result_hosts": ["com"]}, "result_hosts"),
        ({"result_hosts": ["*.example.org"]}, "result_hosts"),
        ({"result_hosts": ["https://example.org"]}, "result_hosts"),
        ({"result_hosts": 5}, "result_hosts"),
        ({"allow_http": "yes"}, "allow_http"),
        ({"ca_file": "/nowhere.pem"}, "ca_file"),
        ({"ca_file": 5}, "ca_file"),
        ({"secret": "x"}, "secret"),
    ],
)
@pytest.mark.clause("HILI-API-4", "MIAO-7.3a", "HILI-5a", "AIART-4.2.1b", "PIXEL-4.1a", "MIAO-2.1d")
def test_each_problem_is_named(more: Mapping[str, Any], word: str) -> None:
    found = problems(**more)
    assert len(found) == 1
    assert word in found[0]


@pytest.mark.parametrize(
    "more",
    [
        {"base_url": "http://127.0.0.1:8001"},
        {"base_url": "http://localhost:8001/sandbox/"},
        {"base_url": "http://[::1]:8001"},
        {"base_url": "http://example.org", "allow_http": True},
        {"base_url": "https://example.org:8443/below"},
        {"platform": "h5", "charging": "download", "slots": 16},
        {"timeouts": {"read": 5, "connect": 1.5}},
        {"result_hosts": ["cdn.example.org", "cdn.example.org:8443"]},
        {"ca_file": __file__},
    ],
)
def test_what_is_fine(more: Mapping[str, Any]) -> None:
    assert problems(**more) == ()


def test_a_function_for_a_secret_is_not_called_by_a_check() -> None:
    def secret() -> str:
        raise AssertionError("a check asked for the secret")

    assert problems(secret_key=secret) == ()


def test_every_problem_is_told_at_once_and_none_tells_a_value() -> None:
    found = HiliProvider(
        "hili", {"secret_key": "CANARY with space", "base_url": "http://canary.example.org"}
    ).problems()
    assert len(found) == 3
    assert not any("CANARY" in text.upper() for text in found)


def test_the_known_options_are_those_of_the_reference() -> None:
    page = Path(__file__).parents[2] / "docs" / "providers" / "hili.md"
    text = page.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in Reader.KNOWN)


def test_a_wrong_setup_never_sends(settings: Any) -> None:
    async def journey() -> None:
        provider = HiliProvider("hili", {"third_code": "x"})
        barrier = CountingBarrier()
        with pytest.raises(HiliConfigurationError, match="secret_key"):
            await provider.credits()
        with pytest.raises(HiliConfigurationError):
            await provider.send(upload_of(b"x"), Enhancement((Operation.REPAIR,)), barrier=barrier)
        assert barrier.passes == 0

    run(journey())


def test_a_function_that_gives_nonsense_is_a_configuration_error() -> None:
    async def journey() -> None:
        provider = HiliProvider("hili", {**GOOD, "secret_key": lambda: "CANARY\r\nX: y"})
        with pytest.raises(HiliConfigurationError) as caught:
            await provider.credits()
        assert "CANARY" not in str(caught.value)

    run(journey())


def test_the_registry_builds_both(settings: Any) -> None:
    settings.HILI = {
        **settings.HILI,
        "DEFAULT_PROVIDER": "two",
        "PROVIDERS": {
            "two": {"BACKEND": "django_hili.providers.hili.HiliProvider", "OPTIONS": GOOD},
            "one": {"BACKEND": "django_hili.providers.hili_v1.HiliV1Provider", "OPTIONS": GOOD},
        },
    }
    assert isinstance(build_provider("two"), HiliProvider)
    assert isinstance(build_provider("one"), HiliV1Provider)


@pytest.mark.parametrize("kind", [HiliProvider, HiliV1Provider])
def test_what_is_declared(kind: type[HiliProvider]) -> None:
    capabilities = kind("hili", GOOD).capabilities
    assert capabilities.leaves_server
    assert capabilities.region == "CN"
    assert capabilities.copy_kept_seconds == 3600
    assert capabilities.credits_per_send == 1
    assert capabilities.dpis == (300, 300)
    assert capabilities.formats == frozenset()


EVERYTHING = tuple(Operation)
WIRE = [
    # what is asked, the fields that say so
    (Enhancement((Operation.COLOUR, Operation.REPAIR)), {"seq": "repair,colour"}),
    (Enhancement((Operation.SR,), scale=8), {"seq": "sr", "rate": "8"}),
    (Enhancement((Operation.SR,), ImageType.CARTOON, scale=4), {"type": "cortoon", "rate": "4"}),
    (Enhancement((Operation.REPAIR,), ImageType.LANDSCAPE), {"type": "landscape"}),
    (Enhancement((Operation.REPAIR,), ImageType.PORTRAIT), {"type": "portrait"}),
    (Enhancement((Operation.REPAIR,), ImageType.TEXT), {"type": "text"}),
    (Enhancement((Operation.BG,), background=Background("transparent")), {"rgb": "-1"}),
    (Enhancement((Operation.BG,), background=Background("gradient_grey")), {"rgb": "1"}),
    (Enhancement((Operation.BG,), background=Background("red")), {"rgb": "235,51,35"}),
    (Enhancement((Operation.BG,), background=Background("blue")), {"rgb": "85,142,213"}),
    (Enhancement((Operation.BG,), background=Background("white")), {"rgb": "255,255,255"}),
    (
        Enhancement(EVERYTHING, scale=2, background=Background("red")),
        {"seq": "defogging,scratch,repair,colour,sr,bg", "rate": "2", "dpi": "300"},
    ),
]


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(("asked", "fields"), WIRE)
@pytest.mark.clause("HILI-3.1.1b", "PIXEL-5.1b", "HILI-API-8")
def test_version_2_on_the_wire(asked: Enhancement, fields: Mapping[str, str]) -> None:
    parts = _sent(HiliProvider, asked)
    assert {name: parts[name].decode() for name in fields} == fields
    assert ("rate" in parts) == (asked.scale is not None)
    assert ("rgb" in parts) == (asked.background is not None)
    assert "clientip" not in parts


V1_WIRE = [
    (Enhancement((Operation.SR,), scale=2), {"repair_type": "sr"}),
    (Enhancement((Operation.REPAIR, Operation.SR), scale=2), {"repair_type": "sr,repair"}),
    (
        Enhancement((Operation.COLOUR, Operation.SR, Operation.REPAIR), scale=2),
        {"repair_type": "sr,repair,colour"},
    ),
    (
        Enhancement((Operation.BG,), background=Background("#010203")),
        {"repair_type": "bg", "rgb": "1,2,3"},
    ),
]


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(("asked", "fields"), V1_WIRE)
@pytest.mark.clause("HILI-3.1.1b", "PIXEL-5.1b", "HILI-API-8")
def test_version_1_on_the_wire(asked: Enhancement, fields: Mapping[str, str]) -> None:
    parts = _sent(HiliV1Provider, asked)
    assert set(parts) == {"third_code", "file", *fields}
    assert {name: parts[name].decode() for name in fields} == fields


V1_REFUSED = [
    (Enhancement((Operation.REPAIR,)), Code.OPERATION_COMBINATION),
    (Enhancement((Operation.SR, Operation.COLOUR), scale=2), Code.OPERATION_COMBINATION),
    (
        Enhancement((Operation.SR, Operation.BG), scale=2, background=Background("red")),
        Code.OPERATION_COMBINATION,
    ),
    (Enhancement((Operation.SCRATCH,)), Code.OPERATION_UNAVAILABLE),
    (Enhancement((Operation.DEFOGGING,)), Code.OPERATION_UNAVAILABLE),
    (Enhancement((Operation.SR,), scale=4), Code.SCALE_UNSUPPORTED),
    (Enhancement((Operation.SR,), scale=2, image_type=ImageType.TEXT), Code.IMAGE_TYPE_UNSUPPORTED),
    (Enhancement((Operation.SR,), scale=2, dpi=600), Code.DPI_UNSUPPORTED),
    (
        Enhancement((Operation.BG,), background=Background("transparent")),
        Code.BACKGROUND_UNSUPPORTED,
    ),
    (
        Enhancement((Operation.BG,), background=Background("gradient_grey")),
        Code.BACKGROUND_UNSUPPORTED,
    ),
]


@pytest.mark.parametrize(("asked", "code"), V1_REFUSED)
def test_version_1_refuses_what_it_cannot_say(asked: Enhancement, code: Code) -> None:
    async def journey() -> None:
        barrier = CountingBarrier()
        with pytest.raises(InvalidOptionsError) as caught:
            await HiliV1Provider("v1", GOOD).send(upload_of(b"x"), asked, barrier=barrier)
        assert code in {problem.code for problem in caught.value.problems}
        assert barrier.passes == 0

    run(journey())


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (Enhancement((Operation.SR,), scale=2, dpi=72), Code.DPI_UNSUPPORTED),
        (
            Enhancement((Operation.BG,), background=Background("#010203")),
            Code.BACKGROUND_UNSUPPORTED,
        ),
        (Enhancement((Operation.SR,), scale=3), Code.SCALE_UNSUPPORTED),
    ],
)
def test_version_2_refuses_what_it_cannot_say(asked: Enhancement, code: Code) -> None:
    with pytest.raises(InvalidOptionsError) as caught:
        HiliProvider("v2", GOOD).check(asked)
    assert [problem.code for problem in caught.value.problems] == [code]


def _sent(kind: type[HiliProvider | HiliV1Provider], asked: Enhancement) -> dict[str, bytes]:
    async def journey() -> Exchange:
        async with RawVendor(saying({"code": 200, "data": {"mdf": "a" * 32}})) as vendor:
            provider = kind("hili", options(vendor))
            await provider.send(upload_of(b"photo"), asked, barrier=CountingBarrier())
            await provider.aclose()
            return vendor.exchanges[0]

    return parts_of(run(journey()))


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ({}, []),
        ({"base_url": "https://photos.example.org"}, []),
        ({"base_url": "http://photos.example.org", "allow_http": True}, ["plain_http"]),
        ({"allow_http": True}, ["plain_http"]),
        ({"base_url": "http://127.0.0.1:8090"}, ["vendor_is_this_machine"]),
        ({"base_url": "http://[::1]:8090"}, ["vendor_is_this_machine"]),
    ],
)
@pytest.mark.clause("HILI-API-4")
def test_what_works_and_is_unsafe_is_said(more: dict[str, Any], codes: list[str]) -> None:
    provider = HiliProvider("hili", {**GOOD, **more})
    assert provider.problems() == ()
    assert [caution.code for caution in provider.cautions()] == codes


def test_what_must_never_be_written_down_can_be_asked_for() -> None:
    provider = HiliProvider("hili", {**GOOD, "secret_key": lambda: "from-a-store"})
    assert provider.secrets() == ("from-a-store", "sdkphoto.fangtangtv.com")
