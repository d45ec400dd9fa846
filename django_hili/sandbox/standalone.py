"""Own the sandbox as a program: its settings, its database, its signals; must not know the API.

Run it with ``python -m django_hili.sandbox``. It brings its own minimal Django configuration, so
it neither reads nor touches the settings and the database of the site it is started from.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import django
from django.conf import settings
from django.core.management import call_command
from django.urls import reverse

if TYPE_CHECKING:
    from django_hili.sandbox.httpd import Server

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
DEFAULT_PORT: Final = 8090
VENDOR_HOST: Final = "sdkphoto.fangtangtv.com"
"""A client that cannot be told another address reaches the sandbox under this name."""
_SWEEP_SECONDS: Final = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; the management command shares them."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 for any free one")
    parser.add_argument("--third-code", default="sandbox", help="the account to open")
    parser.add_argument("--secret-key", default="", help="its secret; made up if left out")
    parser.add_argument("--credits", type=int, default=100, help="credits of its first package")
    parser.add_argument(
        "--charging", choices=("upload", "download"), default="upload", help="when it is charged"
    )
    parser.add_argument(
        "--mode", choices=("engine", "cheap", "echo"), default="engine", help="how photos are made"
    )
    parser.add_argument("--seconds", type=float, default=0.0, help="shortest processing time")
    parser.add_argument("--workers", type=int, default=2, help="threads that work on photos")
    parser.add_argument(
        "--folder", default="", help="keeps database and photos; else both go at the end"
    )
    parser.add_argument("--json", action="store_true", help="announce the address as JSON")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="stop when the caller goes away"
    )


def configure(options: argparse.Namespace, *, folder: Path) -> None:
    """Set Django up for this process alone."""
    own_names = ["127.0.0.1", "[::1]", ".localhost", VENDOR_HOST]
    settings.configure(
        SECRET_KEY=secrets.token_urlsafe(32),
        DEBUG=False,
        ALLOWED_HOSTS=own_names if options.host in LOOPBACK else ["*"],
        INSTALLED_APPS=["django_hili.sandbox"],
        MIDDLEWARE=[],
        ROOT_URLCONF="django_hili.sandbox.urls_standalone",
        USE_TZ=True,
        USE_I18N=False,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        HILI_SANDBOX={
            "FOLDER": str(folder / "photos"),
            "WORKERS": options.workers,
            "BEHAVIOUR": {
                "mode": options.mode,
                "processing_seconds_min": options.seconds,
                "processing_seconds_max": options.seconds,
            },
        },
        LOGGING_CONFIG=None,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(folder / "sandbox.sqlite3"),
                "CONN_MAX_AGE": None,
                "OPTIONS": {
                    "timeout": 60,
                    "transaction_mode": "IMMEDIATE",
                    # A killed sandbox loses nothing; only a power cut may.
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
                },
            }
        },
    )
    django.setup()


def prepare(options: argparse.Namespace) -> str:
    """Make the tables and the account; return its secret."""
    call_command("migrate", verbosity=0, interactive=False)
    from django_hili.sandbox import state, storage
    from django_hili.sandbox.models import Partner

    # A mistake in the addresses shows now, and not in the first caller's thread.
    reverse("hili_sandbox:home")
    state.keep_in_memory()
    storage.folder()
    known = Partner.objects.filter(third_code=options.third_code).first()
    secret_key: str = options.secret_key or (known.secret_key if known else secrets.token_hex(16))
    state.add_partner(
        third_code=options.third_code,
        secret_key=secret_key,
        charging=options.charging,
        credit_count=0 if known else options.credits,
    )
    return secret_key


def main(arguments: list[str] | None = None) -> int:
    """Run the sandbox until it is told to stop."""
    parser = argparse.ArgumentParser(
        prog="hili_sandbox", description="A Hili-compatible service to develop and test against."
    )
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def run(options: argparse.Namespace) -> int:
    """Serve from a folder that is kept, or from one that goes with the process."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    is_kept = bool(options.folder)
    folder = Path(options.folder or tempfile.mkdtemp(prefix="hili-sandbox-"))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return _serve(options, folder=folder)
    finally:
        if not is_kept:
            shutil.rmtree(folder, ignore_errors=True)


def _serve(options: argparse.Namespace, *, folder: Path) -> int:
    configure(options, folder=folder)
    secret_key = prepare(options)
    from django.core.wsgi import get_wsgi_application

    from django_hili.sandbox import state
    from django_hili.sandbox.httpd import Server
    from django_hili.sandbox.workers import pool

    server = Server(get_wsgi_application(), host=options.host, port=options.port)
    stopping = threading.Event()
    _listen_for_the_end(server, stopping, with_stdin=options.until_stdin_closes)
    pool.adopt(accepted_before=state.snapshot().now())
    threading.Thread(target=_sweep_until, args=(stopping,), daemon=True).start()
    _announce(server, options, secret_key=secret_key)
    server.serve_forever()
    stopping.set()
    return 0


def _listen_for_the_end(server: Server, stopping: threading.Event, *, with_stdin: bool) -> None:
    def stop(_number: int = 0, _frame: FrameType | None = None) -> None:
        stopping.set()
        server.close()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    def watch() -> None:
        # Not sys.stdin: a thread that waits in its lock would crash the interpreter's exit.
        while os.read(0, 1024):
            pass
        stop()

    if with_stdin:
        threading.Thread(target=watch, daemon=True).start()


def _sweep_until(stopping: threading.Event) -> None:
    from django_hili.sandbox import pictures, state

    while not stopping.wait(_SWEEP_SECONDS):
        pictures.sweep(now=state.snapshot().now())


def _announce(server: Server, options: argparse.Namespace, *, secret_key: str) -> None:
    """Say where the sandbox is and how to get in, for a person or for a program."""
    host = f"[{server.host}]" if ":" in server.host else server.host
    base_url = f"http://{host}:{server.port}"
    facts: dict[str, Any] = {
        "base_url": base_url,
        "third_code": options.third_code,
        "secret_key": secret_key,
    }
    if options.json:
        text = json.dumps(facts)
    else:
        text = "\n".join(
            (
                f"Hili sandbox at {base_url}",
                f"  third_code    {options.third_code}",
                f"  secret_key    {secret_key}",
                f"  control page  {base_url}/control/",
                "Stop it with Ctrl-C.",
            )
        )
    if server.host not in LOOPBACK:
        sys.stderr.write("Others on the network can reach this sandbox and its control page.\n")
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
