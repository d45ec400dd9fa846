"""What the host site may listen to. Sent after commit, with `send_robust`, never with bytes.

Every signal carries `job`, the `PhotoJob` as it is after the change; `photo_erased` carries
`job_id` and `cause` instead, since the row may be gone too. `credits_low` and
`provider_held_back` are about a provider.
"""

from __future__ import annotations

from django.dispatch import Signal

photo_enhanced = Signal()
"""A job is done and its result is stored. Arguments: `job`."""

enhancement_failed = Signal()
"""A job ended without a result. Arguments: `job`; the reason is `job.code`."""

credits_low = Signal()
"""A count of credits fell to the provider's low-water mark or under it; sent once per crossing.
Arguments: `provider`, its alias, and `credits`, how many are left."""

provider_held_back = Signal()
"""Sends to a provider are held back from now on, for all workers; sent once per opening.
Arguments: `provider`, its alias, `reason` (`no_credits`, `bad_credentials`, `down`) and `until`,
when it is asked again."""

photo_erased = Signal()
"""A stored photo is gone and its absence was looked at. Arguments: `job_id`, `kind`, `cause`."""

policy_published = Signal()
"""A version of the policy was published. Arguments: `version`, a `PolicyVersion`."""

message_queued = Signal()
"""A person has to be told something. Arguments: `user_key`, `kind`, `title`, `text`. A receiver
that has sent it returns True; otherwise it is offered again."""
