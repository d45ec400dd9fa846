"""Django's command line for the example site."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # The folder this file lies in is on the path by default; the one above is what is meant.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
