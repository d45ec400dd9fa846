"""A client written for the vendor works against the sandbox as the page about it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from django_hili.sandbox.server import Control, Sandbox
from tests.sandbox.conftest import SECRET, Caller
from tests.sandbox.photos import opened, photo

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "old-client.md").read_text("utf-8")
_, VERSION_1, VERSION_2 = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
HEAD = VERSION_1.partition("call company/nums")[0]

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("curl", "md5sum", "python3"))), reason="needs curl and md5sum"
)


@pytest.mark.parametrize("script", [VERSION_1, HEAD + VERSION_2], ids=["v1", "v2"])
def test_the_shell_client_of_the_page(sandbox: Sandbox, control: Control, tmp_path, script):
    control.set(mode="engine")
    (tmp_path / "photo.jpg").write_bytes(photo())
    subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "BASE": sandbox.base_url, "CODE": "site", "SECRET": SECRET},
        check=True,
        timeout=60,
    )
    width, height = opened(photo()).size
    assert opened((tmp_path / "result.jpg").read_bytes()).size == (2 * width, 2 * height)
    events = [entry["event"] for entry in control.ledger()]
    assert events == ["accepted", "downloaded"]


def test_a_client_with_the_vendors_name_built_in(sandbox: Sandbox, caller: Caller):
    """As /etc/hosts would bring it: by the vendor's name, to this machine."""
    headers = {"Host": "sdkphoto.fangtangtv.com", "token": caller.token()}
    mdf = caller.uploaded()[0]
    data = {"third_code": "site", "mdf": mdf, "platform": "pc"}
    caller.finished(mdf)
    answer = caller.http.post("/api/third/download", headers=headers, data=data).json()
    url = httpx.URL(answer["data"]["url"])
    assert url.host == "sdkphoto.fangtangtv.com"
    result = caller.http.get(url.raw_path.decode(), headers={"Host": url.host})
    assert opened(result.content).size[0] > 0


def test_another_name_is_not_answered(caller: Caller):
    """A page elsewhere whose name is pointed at this machine must not reach the sandbox."""
    answer = caller.http.get("/control/state", headers={"Host": "rebound.example.org"})
    assert answer.status_code == 403
