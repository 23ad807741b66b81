# SPDX-License-Identifier: GPL-2.0-or-later
"""The streaming decoder by itself: ``python -m bench.decoder KIND SEGMENT SIZE_MB``.

No file, no TCP: the octets of a synthetic stream are cut into segments and fed to a session that counts and reports
nothing, as ``dissector summary`` does.  Printed: octets, records, seconds of processor time in the session alone.  The
pieces are cut before the clock runs, a section at a time, so that memory does not depend on the size.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from bench.inputs import MEGABYTE, PORT, stream
from dissector.decode import Session
from dissector.errors import DissectorError
from dissector.frontend.streams import translate_protocol
from dissector.protocols.qemu_migration import PROTOCOL


def segments(piece: bytes, size: int) -> Iterator[bytes]:
    """*piece* in segments."""
    return (piece[at : at + size] for at in range(0, len(piece), size))


def measure(kind: str, segment: int, octets: int) -> tuple[int, int, float]:
    """Octets, records that the decoder has counted, seconds."""
    session = Session(translate_protocol(PROTOCOL), events=())
    session.opened(0, ("client", PORT + 1), ("server", PORT))
    total, took = 0, 0.0
    for piece in stream(kind, octets):
        cut = list(segments(piece, segment))
        began = time.process_time()
        for octets_here in cut:
            session.data(0, 0, octets_here)
        took += time.process_time() - began
        total += len(piece)
    if not session.conversations:
        raise DissectorError("bench.decoder", "the stream was not recognised")
    return total, sum(session.conversations[0].counts.values()), took


def main() -> None:
    """Measure and print."""
    kind, segment, size = sys.argv[1:]
    print(*measure(kind, int(segment), int(float(size) * MEGABYTE)))


if __name__ == "__main__":
    main()
