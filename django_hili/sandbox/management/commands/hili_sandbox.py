"""Own ``manage.py hili_sandbox``; must not load the site's rows into the sandbox.

The sandbox needs a Django configuration of its own, so the command hands over to a fresh Python
process instead of running inside the site's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from django_hili.sandbox import standalone


class Command(BaseCommand):
    """Run a Hili-compatible service as a server of its own."""

    help = "Run a Hili-compatible service to develop and test against, as a server of its own."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Share the options of the program."""
        standalone.add_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Replace this process by the sandbox; signals then reach it directly."""
        command = [sys.executable, "-m", "django_hili.sandbox", *_arguments(options)]
        package_folder = str(Path(standalone.__file__).parents[2])
        paths = [package_folder, os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        if os.name == "posix":
            os.execve(sys.executable, command, environment)  # noqa: S606 - our own arguments
        sys.exit(subprocess.call(command, env=environment))  # noqa: S603 - our own arguments


def _arguments(options: dict[str, Any]) -> list[str]:
    """Write the parsed options out again."""
    written: list[str] = []
    names = ("host", "port", "third_code", "secret_key", "credits", "charging", "mode")
    for name in (*names, "seconds", "workers", "folder"):
        if options[name] != "":
            written += [f"--{name.replace('_', '-')}", str(options[name])]
    written += [
        f"--{flag.replace('_', '-')}" for flag in ("json", "until_stdin_closes") if options[flag]
    ]
    return written
