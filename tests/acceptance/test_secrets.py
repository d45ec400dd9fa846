"""No secret, token or address of the vendor's is kept: not in rows, files, logs or answers.

Both versions of the API, with DEBUG logs, whatever goes wrong on the way.
"""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest
from django.test import Client

from tests import people, photos
from tests.acceptance.test_residue import everything_kept
from tests.vendors import vendor_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

VERSIONS = {"v1": "hili_v1.HiliV1Provider", "v2": "hili.HiliProvider"}
TROUBLES = [
    None,
    ("lost_answer", "uploads", {}),
    ("http_error", "uploads", {"status": 500}),
    ("errno", "uploads", {"errno": 9009, "msg": "see http://sdkphoto.fangtangtv.com/x?token=abc"}),
    ("errno", "uploads", {"errno": 9999}),
    ("broken_json", "download", {}),
    ("result_url", "download", {"url": "http://user:canary-word@169.254.169.254/latest"}),
    ("redirect", "file", {"to": "http://169.254.169.254/canary-word"}),
    ("cut_short", "file", {}),
    ("wrong_file", "file", {"what": "html"}),
    ("fails", "uploads", {}),
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda each: each[0] if each else "none")
@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_secret_is_kept(anna, settings, work, caplog, version, trouble):
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "asyncio", "django_q", "django.db.backends"):
        caplog.set_level(logging.DEBUG, name)
    timeouts = {"read": 2.0, "connect": 2.0}
    with vendor_for(settings, secret_key="canary-secret-key", timeouts=timeouts) as vendor:
        entry = settings.HILI["PROVIDERS"]["hili"]
        backend = f"django_hili.providers.{VERSIONS[version]}"
        vendor.control.add_partner("sandbox", "canary-secret-key", credit_count=10)
        settings.HILI = {**settings.HILI, "PROVIDERS": {"hili": {**entry, "BACKEND": backend}}}
        if trouble:
            kind, endpoint, figures = trouble
            vendor.control.fault(kind, endpoint, times=3, **figures)
        job = people.enhance(photos.jpeg(), subject=anna, operations=["bg"], background="white")
        work(time_cap=timedelta(seconds=8))
        kept = everything_kept().decode("utf-8", "replace")
        client = Client()
        client.force_login(anna)
        told = client.get(f"/hili/api/v1/jobs/{job.pk}/").content.decode()
        log = "\n".join(
            f"{record.getMessage()} {record.args!r} {record.exc_text or ''}"
            for record in caplog.records
            if record.name != "asyncio"
        )
    secrets = ["canary-secret-key", "canary-word", vendor.base_url, f":{vendor.port}", "token=abc"]
    for where, text in {"kept": kept, "answer": told, "log": log}.items():
        assert [word for word in secrets if word in text] == [], where
    assert not re.search(r"[0-9a-f]{32},1[0-9]{9}", kept + told + log), "a token"
