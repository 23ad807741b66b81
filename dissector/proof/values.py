# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a value that tshark shows is the one that Scapy has.

What is compared is the octets as well as the text, since either alone can be right by accident.  Numbers are compared
as numbers, exactly; what a plugin shows scaled, scaled.  Text is compared where both sides have to write it the same
way: printable ASCII; other text by its octets alone.
"""

from __future__ import annotations

import contextlib
import ipaddress
import math
import re
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dissector.ir.packets import Leaf

PRINTABLE = re.compile(rb"[ -~]*")
HEX = re.compile(r"(?:[0-9a-f]{2}:?)*", re.IGNORECASE)
SLACK = 1e-6


def differs(value: Any, show: str, octets: bytes, leaf: Leaf | None, bits: int | None = None) -> str:
    """Say how the plugin's *show* of *octets* differs from Scapy's *value*; "" when it does not.

    *bits* is the number on the wire, of a bit field of which Scapy makes something else.
    """
    if bits is not None:
        return number_differs(bits, show, octets, None)
    if leaf is not None and leaf.raw:
        return raw_differs(show, octets, leaf)
    if isinstance(value, bytes | bytearray):
        return text_differs(bytes(value), show, octets, leaf)
    if isinstance(value, uuid.UUID):
        return "" if show.lower().strip("{}") == str(value) else f"{value} is shown as {show}"
    if isinstance(value, str):
        return name_differs(value, show)
    if isinstance(value, float | Decimal):
        return float_differs(float(value), show, leaf)
    try:
        number = int(value)
    except (TypeError, ValueError):
        return f"a {type(value).__name__} cannot be compared"
    return number_differs(number, show, octets, leaf)


def raw_differs(show: str, octets: bytes, leaf: Leaf) -> str:
    """Compare what is on the wire where Scapy makes something else of it: the octets, or the number in them."""
    if leaf.kind == "bytes":
        return "" if show.replace(":", "").lower() == octets.hex() else f"{short(octets)} is shown as {show}"
    if leaf.kind == "string":
        return text_differs(octets.removesuffix(leaf.until), show, octets, leaf)
    wanted = int.from_bytes(octets, "little" if leaf.little else "big", signed=leaf.kind == "int")
    with contextlib.suppress(ValueError):
        # One of several kinds that the item may have, and not the one that is known here.
        return "" if ipaddress.ip_address(show).packed == octets else f"{short(octets)} is shown as {show}"
    return "" if as_number(show) == wanted else f"{short(octets)} is shown as {show}"


def number_differs(value: int, show: str, octets: bytes, leaf: Leaf | None) -> str:
    """Compare a whole number, which may be wider than any that Wireshark has: then by its octets."""
    if leaf is not None and leaf.scaling:
        return float_differs(float(value), show, leaf)
    try:
        shown = as_number(show)
    except ValueError:
        if HEX.fullmatch(show) and value in {int.from_bytes(octets, "big"), int.from_bytes(octets, "little")}:
            return ""
        return f"{value} is shown as {show!r}"
    return "" if shown == value else f"{value} is shown as {show}"


def as_number(show: str) -> int:
    """Read a number as tshark prints it."""
    try:
        return int(show, 0)
    except ValueError:
        return int(show, 10)


def float_differs(value: float, show: str, leaf: Leaf | None) -> str:
    """Compare a number with a point, which tshark prints with as many digits as it likes."""
    try:
        if leaf is not None and leaf.kind == "time":
            return "" if math.isclose(moment(show), value, abs_tol=1e-6) else f"{value!r} is shown as {show}"
        shown = float(show) if not show.startswith("0x") else float(int(show, 16))
    except ValueError:
        return f"{value} is shown as {show!r}"
    meant = [shown]
    if leaf is not None and leaf.scaling:
        meant.append(round(shown * leaf.scaling.factor + leaf.scaling.offset, leaf.scaling.digits))
    if any(m == value or (math.isnan(m) and math.isnan(value)) for m in meant):
        return ""
    if any(math.isclose(m, value, rel_tol=SLACK, abs_tol=1e-9) for m in meant):
        return ""
    return f"{value!r} is shown as {show}"


def moment(show: str) -> float:
    """Read a point in time as tshark prints it, in UTC, with nanoseconds, in its older or its newer way."""
    text, _, parts = show.removeprefix("(0)").removesuffix("UTC").strip().removesuffix("Z").partition(".")
    form = "%Y-%m-%dT%H:%M:%S" if "T" in text[:11] else "%b %d, %Y %H:%M:%S"
    return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp() + float(f"0.{parts or 0}")


def text_differs(value: bytes, show: str, octets: bytes, leaf: Leaf | None) -> str:
    """Compare octets or text: what the item covers, and what it says.

    Octets that Scapy turns round are shown as they lie.
    """
    if leaf is not None and leaf.template == "reversed" and octets == value[::-1]:
        value = octets
    until = leaf.until if leaf is not None else b""
    if octets not in {value, value + until}:
        return f"{short(value)} is shown over {short(octets)}"
    if leaf is not None and leaf.kind == "string":
        text = value.partition(b"\0")[0]
        if PRINTABLE.fullmatch(text) and text == value and not leaf.utf16 and show != text.decode():
            return f"{short(value)} is shown as {show!r}"
    elif (
        HEX.fullmatch(show)
        and show.replace(":", "") != value.hex()
        and show
        and show.encode() != value.partition(b"\0")[0]
    ):
        return f"{short(value)} is shown as {show}"
    return ""


def name_differs(value: str, show: str) -> str:
    """Compare addresses, each in one way of writing, and other text as it stands."""
    try:
        same = ipaddress.ip_address(value) == ipaddress.ip_address(show)
    except ValueError:
        same = value.lower() == show.lower() or value == show
    return "" if same else f"{value} is shown as {show}"


def short(octets: bytes) -> str:
    """Give octets for a message."""
    return octets[:16].hex() + ("…" if len(octets) > 16 else "") or "nothing"
