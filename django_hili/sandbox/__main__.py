"""Own ``python -m django_hili.sandbox``; must not do anything but start it."""

from __future__ import annotations

import sys

from django_hili.sandbox.standalone import main

sys.exit(main())
