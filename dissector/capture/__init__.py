# SPDX-License-Identifier: GPL-2.0-or-later
"""From a capture file to the octets of each direction of each TCP connection.

    for event in conversations(read_packets("migration.pcapng.zst")):
        match event:
            case Chunk(connection=connection, direction=direction, offset=offset, data=data): ...
            case Gap(): ...

Arrows one way: ``source`` (files, pipes, decompression) and ``packet`` (the words) are below ``files`` and
``pcapng`` (containers to packets), ``link`` (packets to TCP segments), ``flow`` (one direction) and
``reassembly`` (all of them).  ``stored`` is the door to all that and to streams that lie in a file (``qcow2``: in a
disk image); ``wrapped`` makes a capture of such a stream.  No Scapy in here: building one of its packets takes longer
than all of the above together.
"""

from dissector.capture.files import read_packets
from dissector.capture.packet import (
    Chunk,
    Closed,
    Connection,
    Direction,
    Endpoint,
    Event,
    Gap,
    Ignored,
    Opened,
    Packet,
)
from dissector.capture.reassembly import conversations
from dissector.capture.stored import Known, Place, read_events, read_stored

__all__ = [
    "Chunk",
    "Closed",
    "Connection",
    "Direction",
    "Endpoint",
    "Event",
    "Gap",
    "Ignored",
    "Known",
    "Opened",
    "Packet",
    "Place",
    "conversations",
    "read_events",
    "read_packets",
    "read_stored",
]
