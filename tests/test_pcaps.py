# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorded migrations and their sidecars: what each promises about itself is so."""

from __future__ import annotations

import functools
import gzip
import hashlib
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dissector.capture import Closed, Gap, Opened, conversations, read_packets
from dissector.record.scenario import built_in

PCAPS = Path(__file__).resolve().parent.parent / "pcaps"
SUFFIX = re.compile(r"\.(?:pcap|pcapng|bin)\.gz$")
FILES = {SUFFIX.sub("", path.name): path for path in PCAPS.glob("*.gz")}
NAMES = sorted(FILES.keys() | {path.stem for path in PCAPS.glob("*.toml")})
CAPTURES = [name for name in NAMES if name in FILES and ".pcap" in FILES[name].name]
KEYS: dict[str, type] = {
    "about": str,
    "qemu": str,
    "record": str,
    "capabilities": list,
    "sha256": str,
    "parameters": dict,
    "seconds": dict,
    "source": dict,
}
OF_CAPTURES: dict[str, type] = {"capture": str, "port": int, "destination": dict}
OF_FILES: dict[str, type] = {"file": str}
MAY_HAVE: dict[str, type] = {
    "before": list,
    "ends": list,
    "tap": str,
    "scenario": str,
    "arch": str,
    "tls": str,
    "to-qemu": str,
    "events": list,
    "events-left-out": int,
}
SECRETS = b"KSLT"
"""The type of secrets in a Decryption Secrets Block, as a little-endian machine writes it: TLS key log."""
SCENARIOS = built_in()
HOW = ("fin", "rst", "end", "gap")
"""How a connection ends, the best first: the last two mean that the capture lacks something."""
ABSOLUTE = re.compile(r"(?<![\w.])(?:~?/|[A-Za-z]:\\+)\w")


def sidecar(name: str) -> dict[str, Any]:
    """Read what a sidecar tells."""
    return tomllib.loads((PCAPS / f"{name}.toml").read_text(encoding="utf-8"))


@functools.cache
def connections(name: str) -> list[tuple[int, str]]:
    """Give the server's port and the end of each connection in a capture."""
    ports: dict[int, int] = {}
    ends: dict[int, str] = {}
    for event in conversations(read_packets(FILES[name], strict=True)):
        index = event.connection.index
        how = "fin"
        match event:
            case Opened():
                ports[index] = event.connection.server.port
            case Gap():
                how = "gap"
            case Closed():
                how = event.how
        ends[index] = max(ends.get(index, "fin"), how, key=HOW.index)
    return [(ports[index], ends[index]) for index in ports]


@pytest.mark.parametrize("name", NAMES)
class TestCapture:
    def test_there_are_both(self, name: str) -> None:
        """No capture without its sidecar, no sidecar without its capture."""
        assert name in FILES
        assert (PCAPS / f"{name}.toml").is_file()

    def test_the_sidecar_has_the_agreed_keys(self, name: str) -> None:
        """Whoever reads a sidecar finds the same keys in each, and both ends' counts."""
        told = sidecar(name)
        needed = {**KEYS, **(OF_CAPTURES if name in CAPTURES else OF_FILES)}
        known = {**needed, **MAY_HAVE}

        assert needed.keys() <= told.keys() <= known.keys()
        assert [key for key, value in told.items() if not isinstance(value, known[key])] == []
        for end in needed.keys() & {"source", "destination"}:
            assert isinstance(told[end]["arguments"], list)
            assert isinstance(told[end]["query-migrate"], dict)
        assert "status" in told["source"]["query-migrate"]

    def test_the_sidecar_is_of_this_capture(self, name: str) -> None:
        """It names the file beside it, octet for octet, and the QEMU in the file's name."""
        told = sidecar(name)
        octets = FILES[name].read_bytes()

        assert FILES[name].name == told["capture" if name in CAPTURES else "file"]
        assert hashlib.sha256(octets).hexdigest() == told["sha256"]
        assert name.startswith(f"qemu-{told['qemu'].rpartition('.')[0]}-")

    def test_it_can_be_recorded_again(self, name: str) -> None:
        """The command in the sidecar names a scenario that there is."""
        *command, scenario = shlex.split(sidecar(name)["record"])

        assert command[:4] == ["./dev", "run", "dissector", "record"]
        assert scenario in SCENARIOS

    def test_the_sidecar_tells_nothing_of_the_machine(self, name: str) -> None:
        """Files are named relative to where they were, so no path of the machine that recorded is in it."""
        text = (PCAPS / f"{name}.toml").read_text(encoding="utf-8")

        assert text.startswith("# SPDX-License-Identifier: GPL-2.0-or-later\n")
        assert ABSOLUTE.findall(text) == []

    def test_it_is_small(self, name: str) -> None:
        """Everybody who clones the repository downloads it."""
        assert FILES[name].stat().st_size <= 700_000

    def test_what_is_encrypted_has_its_keys(self, name: str) -> None:
        """A capture says that it is of TLS, and then has a block of secrets in it."""
        octets = gzip.decompress(FILES[name].read_bytes())

        assert ("tls" in sidecar(name)) is (SECRETS in octets)


@pytest.mark.parametrize("name", CAPTURES)
def test_every_connection_is_whole(name: str) -> None:
    """From its first octet to a FIN from both sides; a reset, or no end at all, only where the sidecar says so."""
    told = sidecar(name)
    found = connections(name)

    assert found
    assert {told["port"]} == {port for port, _ in found}
    assert told.get("ends", ["fin"] * len(found)) == [how for _, how in found]


def test_all_together_are_small() -> None:
    """The folder grows by a capture at a time; this is when to think of dropping one."""
    assert NAMES
    assert sum(path.stat().st_size for path in PCAPS.iterdir() if path.is_file()) < 25_000_000


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ('["-drive", "file=/var/disk.img"]', True),
        ('"~/disk.img"', True),
        ('"C:\\\\disk.img"', True),
        ('"./dev run dissector record"', False),
        ('"tcp:[::1]:4545"', False),
    ],
)
def test_what_a_path_of_a_machine_is(text: str, *, matches: bool) -> None:
    """Only what starts at a root is; a relative path is good anywhere."""
    assert matches is bool(ABSOLUTE.search(text))
