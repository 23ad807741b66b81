# SPDX-License-Identifier: GPL-2.0-or-later
"""What the commands that read a capture have in common: their arguments, and the reading itself."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Any

from dissector.capture import Place
from dissector.cli.devices import Devices
from dissector.cli.kept import protocol as known_protocol
from dissector.cli.parameters import add_parameters, given
from dissector.errors import DissectorError
from dissector.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from dissector.decode import PduSeen

UNITS = {"": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40, "K": 10, "M": 20, "G": 30, "T": 40}
"""Units of sizes, as powers of two."""

DESCRIPTION = "QEMU_VM_VMDESCRIPTION"


def add_capture(parser: argparse.ArgumentParser) -> None:
    """Declare the capture, and everything that changes how it is read."""
    parser.add_argument(
        "capture",
        metavar="FILE",
        help="a capture (pcap, pcapng) or a migration that was written to a file, also compressed with gzip or zstd; "
        "- is stdin",
    )
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line; docs/json.md describes them")
    parser.add_argument(
        "--decode-as",
        action="append",
        type=port_and_channel,
        default=[],
        metavar="PORT=CHANNEL",
        help="take connections to this port for this channel, whatever they begin with",
    )
    add_parameters(parser, known_protocol().parameters)


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare where in a file a migration is."""
    parser.add_argument(
        "--offset",
        type=octets,
        metavar="N",
        help="FILE is no capture: behind so many octets (4096, 0x1000, 1MiB) a migration begins, as with "
        "file:FILE,offset=N",
    )
    parser.add_argument(
        "--snapshot",
        metavar="NAME",
        help="FILE is a qcow2 image: the snapshot with this name or id, if there are several",
    )


def place(options: argparse.Namespace) -> Place:
    """Give where in the file a migration is."""
    if options.offset is not None and options.snapshot is not None:
        raise DissectorError("--snapshot", "a snapshot has no offset", "leave out --offset")
    return Place(options.offset, options.snapshot)


def reading(
    options: argparse.Namespace,
    progress: Callable[[int, int | None], None],
    events: Callable[[Any], bool | Collection[str]],
    passing: Mapping[str, Callable[[PduSeen, memoryview], None]] | None = None,
    joined: int = 0,
) -> Reading:
    """Give the reading that the command line asked for; *events* chooses the PDUs from the protocol.

    *passing* is :class:`Reading`'s, with the labels of PDUs in place of their names, and so is *joined*.
    """
    protocol = known_protocol()
    devices = Devices()
    known = [channel.name for channel in protocol.channels]
    for port, channel in options.decode_as:
        if channel not in known:
            raise DissectorError(f"--decode-as {port}={channel}", "no such channel", f"known: {', '.join(known)}")
    return Reading(
        protocol,
        options.capture,
        parameters=given(options, protocol.parameters),
        events=events(protocol),
        wanted={pdu.name for pdu in protocol.pdus if pdu.label == DESCRIPTION},
        watch=devices.see,
        payload=devices.compare,
        passing={pdu.name: (passing or {})[pdu.label] for pdu in protocol.pdus if pdu.label in (passing or {})},
        decode_as=dict(options.decode_as),
        place=place(options),
        progress=progress,
        joined=joined,
    )


def passed_over(options: argparse.Namespace, source: Reading) -> None:
    """With -v, say what of the capture was not looked at."""
    if not options.verbose:
        return
    ignored = source.ignored
    counts = {
        "packets of other protocols": ignored.not_tcp,
        "fragments": ignored.fragments,
        "malformed packets": ignored.malformed,
        "octets behind the end of a connection": ignored.after_close,
        "packets of unknown link types": sum(ignored.link_types.values()),
        "other TCP connections": len(source.others),
    }
    for what, number in counts.items():
        if number:
            print(f"{source.name}: passed over: {number} {what}", file=sys.stderr)


def port_and_channel(text: str) -> tuple[int, str]:
    """Read PORT=CHANNEL."""
    port, equals, channel = text.partition("=")
    if not (equals and port.isdecimal() and 0 < int(port) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not PORT=CHANNEL")
    return int(port), channel


def octets(text: str) -> int:
    """Read a number of octets: decimal or hexadecimal, or with a unit."""
    found = re.fullmatch(r"(?:0x([0-9a-f]{1,16})|([0-9]{1,19}) ?([KMGT]?(?:iB)?))", text, re.IGNORECASE)
    units = {name.lower(): bits for name, bits in UNITS.items()}
    if found is None or (found[3] or "").lower() not in units:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of octets like 4096, 0x1000 or 1MiB")
    return int(found[1], 16) if found[1] else int(found[2]) << units[(found[3] or "").lower()]
