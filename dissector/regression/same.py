# SPDX-License-Identifier: GPL-2.0-or-later
"""All executors over one capture, in one go: decoder and tshark side by side, Scapy over each PDU's octets."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dissector.regression.compare import Different, Sides, compare
from dissector.regression.decoder import Decoder
from dissector.regression.layers import check_with_scapy
from dissector.regression.versions import excuse_for
from dissector.regression.wireshark import Wireshark
from dissector.tshark.find import dotted

if TYPE_CHECKING:
    import os

    from dissector.tshark import Tshark


def assert_same(capture: str | os.PathLike[str], tshark: Tshark, plugin: str | os.PathLike[str], **options: Any) -> int:
    """Raise :class:`Different` unless decoder, Scapy and tshark agree on every PDU; give how many there are.

    ``options`` are those of ``Tshark.lines``.
    """
    return assert_shown(Decoder(capture, inspect=check_with_scapy), capture, tshark, plugin, **options)


def assert_shown(
    reading: Decoder,
    capture: str | os.PathLike[str],
    tshark: Tshark,
    plugin: str | os.PathLike[str],
    **options: Any,
) -> int:
    """Raise :class:`Different` unless tshark shows of ``capture`` what is in ``reading``, which may be another's."""
    sides = Sides("decoder", f"tshark {dotted(tshark.version)}")
    theirs = Wireshark(capture, tshark, plugin, **options).__iter__()
    try:
        with closing(theirs):
            count = compare(reading, theirs, sides, excuse_for(Path(capture), tshark, options))
    except Different as different:
        raise Different(f"{capture}: {different}") from None
    if not count:
        raise Different(f"{capture}: there is no PDU in it to compare")
    return count
