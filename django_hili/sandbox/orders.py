"""Own the reading of an upload's fields into an order, or a 9001; must not know files or rows."""

from __future__ import annotations

import dataclasses
import re

from django_hili.sandbox import contract
from django_hili.sandbox.bodies import Form
from django_hili.sandbox.contract import BAD_PARAMETERS, RefusalError

_COLOUR = re.compile(r"(\d{1,3}),(\d{1,3}),(\d{1,3})")
_BRIGHTEST = 255
_FINEST_DPI = 1200


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What is to be done with the pictures of one upload."""

    seq: str
    image_type: str = "people"
    rate: int = 0
    rgb: str = ""
    dpi: int = 0
    platform: str = ""

    @property
    def operations(self) -> tuple[str, ...]:
        """Return the operations as they were named."""
        return tuple(self.seq.split(","))


def read_v2(form: Form) -> Order:
    """Read version 2's fields; everything the documents do not list is refused."""
    operations = form.first("seq").split(",")
    order = Order(
        seq=",".join(operations),
        image_type=form.first("type") or "people",
        rate=_number(form.first("rate")),
        rgb=form.first("rgb"),
        dpi=_number(form.first("dpi")),
        platform=form.first("platform"),
    )
    is_good = (
        all(operation in contract.OPERATIONS for operation in operations)
        and len(set(operations)) == len(operations)
        and order.image_type in contract.IMAGE_TYPES
        and order.rate in contract.RATES
        and order.dpi <= _FINEST_DPI
        and order.platform in contract.PLATFORMS
        and (order.rgb in contract.BACKGROUNDS if "bg" in operations else True)
    )
    if not is_good:
        raise RefusalError(BAD_PARAMETERS)
    return order if "bg" in operations else dataclasses.replace(order, rgb="")


def read_v1(form: Form) -> Order:
    """Read version 1's fields: four repair types, any colour for the background."""
    repair_type = form.first("repair_type")
    if repair_type not in contract.V1_REPAIR_TYPES:
        raise RefusalError(BAD_PARAMETERS)
    if repair_type != "bg":
        return Order(seq=repair_type)
    rgb = form.first("rgb")
    match = _COLOUR.fullmatch(rgb)
    if match is None or any(int(part) > _BRIGHTEST for part in match.groups()):
        raise RefusalError(BAD_PARAMETERS)
    return Order(seq=repair_type, rgb=rgb)


def _number(text: str) -> int:
    """Read a number that may be left out."""
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > len("99999"):
        raise RefusalError(BAD_PARAMETERS)
    return int(text)
