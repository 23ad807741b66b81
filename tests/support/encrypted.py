# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures of TLS connections with the keys in them, and what was said inside.

Their sidecar has a key ``tls``.  Wireshark's own "follow" gives the octets that TLS carried, without any
plugin: a witness that knows nothing of the protocol.  They are written as a capture of plain TCP, with the same numbers
of connections and the same sides, for the readers that know no TLS.
"""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from dissector.capture import Opened, conversations, read_packets
from dissector.regression.wire import Segment, cut, fixed, write_capture

if TYPE_CHECKING:
    from pathlib import Path

    from dissector.tshark import Tshark

NODE = re.compile(r"Node ([01]): (.*):(\d+)$")
OCTETS = re.compile(r"(\t?)([0-9a-f]+)$")


def without_guesses(tshark: Tshark) -> list[str]:
    """Options that keep other dissectors off what TLS carries: "follow" leaves out what makes one of them stumble."""
    table = subprocess.run([tshark.path, "-G", "heuristic-decodes"], capture_output=True, text=True, check=True).stdout
    rows = (line.split("\t") for line in table.splitlines())
    return [word for row in rows if row[0] == "tls" for word in ("--disable-protocol", row[1])]


def said(capture: Path, tshark: Tshark, stream: int, client: tuple[str, int]) -> list[tuple[int, bytes]]:
    """What TLS carried in a TCP connection, piece by piece: 0 and what the client said, or 1 and the server."""
    text = tshark.run(capture, args=[*without_guesses(tshark), "-q", "-z", f"follow,tls,raw,{stream}"])
    first = 0
    found: list[tuple[int, bytes]] = []
    for line in text.splitlines():
        if (node := NODE.match(line)) and node[2]:
            first = int(node[1]) ^ int((node[2], int(node[3])) != client)
        elif octets := OCTETS.match(line):
            found.append((first ^ bool(octets[1]), bytes.fromhex(octets[2])))
    return found


def write_decrypted(capture: Path, tshark: Tshark, out: Path, size: int = 32768) -> None:
    """Write what TLS carried as a capture of plain TCP, in segments of at most *size* octets."""
    opened = [event.connection for event in conversations(read_packets(capture)) if isinstance(event, Opened)]
    segments: list[Segment] = []
    for c in opened:
        offsets = [0, 0]
        for direction, data in said(capture, tshark, c.index, (c.client.address, c.client.port)):
            place = {"direction": direction, "connection": c.index, "offset": offsets[direction]}
            segments += cut(data, fixed(size), **place)
            offsets[direction] += len(data)
    write_capture(out, segments, ends=[(c.client, c.server) for c in opened])
