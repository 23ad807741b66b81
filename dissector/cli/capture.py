# SPDX-License-Identifier: GPL-2.0-or-later
"""What the commands that read a capture have in common: their arguments, and the reading itself."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from dissector.cli.devices import Devices
from dissector.cli.parameters import add_parameters, given
from dissector.cli.target import load_protocol
from dissector.errors import DissectorError
from dissector.frontend.streams import translate_protocol
from dissector.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

DESCRIPTION = "QEMU_VM_VMDESCRIPTION"


def add_capture(parser: argparse.ArgumentParser) -> None:
    """Declare the capture, and everything that changes how it is read."""
    parser.add_argument(
        "capture", metavar="CAPTURE", help="pcap or pcapng, also compressed with gzip or zstd; - is stdin"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line; docs/json.md describes them")
    parser.add_argument(
        "--decode-as",
        action="append",
        type=port_and_channel,
        default=[],
        metavar="PORT=CHANNEL",
        help="take connections to this port for this channel, whatever they begin with",
    )
    add_parameters(parser, load_protocol().parameters)


def reading(
    options: argparse.Namespace,
    progress: Callable[[int, int | None], None],
    events: Callable[[Any], bool | Collection[str]],
) -> Reading:
    """Give the reading that the command line asked for; *events* chooses the PDUs from the protocol."""
    declared = load_protocol()
    protocol = translate_protocol(declared)
    devices = Devices()
    known = [channel.name for channel in protocol.channels]
    for port, channel in options.decode_as:
        if channel not in known:
            raise DissectorError(f"--decode-as {port}={channel}", "no such channel", f"known: {', '.join(known)}")
    return Reading(
        protocol,
        options.capture,
        parameters=given(options, declared.parameters),
        events=events(protocol),
        wanted={pdu.name for pdu in protocol.pdus if pdu.label == DESCRIPTION},
        watch=devices.see,
        payload=devices.compare,
        decode_as=dict(options.decode_as),
        progress=progress,
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
