"""The operator's worker without django-q2."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connections

from django_hili.jobs.worker.desk import RunReport
from django_hili.jobs.worker.run import Runner


class Command(BaseCommand):
    """Runs a worker until it is stopped, or with --until-idle until nothing is left to do."""

    help = (
        "Enhance queued photos and enforce every deadline, without django-q2. Ends in order on "
        "SIGTERM and Ctrl-C; a second Ctrl-C ends at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the one option."""
        parser.add_argument(
            "--until-idle",
            action="store_true",
            help="end when no job is waiting or being worked on, here or elsewhere",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run."""
        connections.close_all()
        report = asyncio.run(_run(until_idle=options["until_idle"]))
        self.stdout.write(
            f"{report.done} enhanced, {report.failed} failed, {report.again} put off, "
            f"{report.held} held."
        )


async def _run(*, until_idle: bool) -> RunReport:
    runner = Runner(until_idle=until_idle)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        runner.stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return await runner.run()
