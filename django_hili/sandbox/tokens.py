"""Own the token of a call: made, and judged within its two minutes; must not know partners."""

from __future__ import annotations

import hashlib
import hmac
import re

_TIME = re.compile(r"[0-9]{1,12}")


def sign(*, secret_key: str, time: str) -> str:
    """Return the token header for a secret and a Unix time written as text.

    MD5 is the vendor's choice, not ours; it keeps the secret off the wire and no more than that.
    """
    digest = hashlib.md5((secret_key + time).encode(), usedforsecurity=False).hexdigest()
    return f"{digest},{time}"


def is_valid(token: str, *, secret_key: str, now: float, window_seconds: float) -> bool:
    """Tell whether a token was made with this secret, no further from now than the window."""
    _, comma, time = token.partition(",")
    if not comma or _TIME.fullmatch(time) is None:
        return False
    if abs(now - int(time)) > window_seconds:
        return False
    return hmac.compare_digest(token.encode(), sign(secret_key=secret_key, time=time).encode())
