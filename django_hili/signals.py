"""What the host site may listen to. Sent after commit, with `send_robust`, never with bytes.

Every signal carries `job`, the `PhotoJob` as it is after the change; `photo_erased` carries
`job_id` and `cause` instead, since the row may be gone too.
"""

from __future__ import annotations

from django.dispatch import Signal

photo_enhanced = Signal()
"""A job is done and its result is stored. Arguments: `job`."""

enhancement_failed = Signal()
"""A job ended without a result. Arguments: `job`; the reason is `job.code`."""

photo_erased = Signal()
"""A stored photo is gone and its absence was looked at. Arguments: `job_id`, `kind`, `cause`."""
