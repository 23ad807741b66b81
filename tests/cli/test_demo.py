# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dissector.cli import demo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ran

TREE = """\
Frame 1: 75 bytes on wire
QEMU Live Migration, main channel
    [Channel: main]
    MIG_CMD_PING 0x2
        Value: 0x00000002
    MIG_CMD_PACKAGED 100 B
        [Stream offset: 9]
        Length of package: 100

Frame 2: 75 bytes on wire
QEMU Live Migration, main channel
    MIG_CMD_PACKAGED (continued)
{inside}
    MIG_CMD_PING 0x4
        Value: 0x00000004
"""


def device(number: int) -> str:
    """Give one PDU of the package, with the line below it."""
    names = f"Section id: {number}\n            Section name: device{number}"
    return f"        QEMU_VM_SECTION_FULL device{number}\n            {names}"


class TestShorten:
    def test_beginning_names_end(self) -> None:
        """Of many PDUs the first and last are shown in full, and the names of the devices between them."""
        lines = TREE.format(inside="\n".join(map(device, range(20)))).splitlines()
        text = "\n".join(demo.shorten(lines))

        assert text.startswith(
            "    MIG_CMD_PACKAGED 100 B\n        [Stream offset: 9]\n        Length of package: 100\n"
        )
        assert "        [10 more devices: device7, device8," in text
        assert "Section id: 6\n" in text
        assert "Section id: 7\n" not in text
        assert text.endswith("            Section name: device19")
        assert "MIG_CMD_PING" not in text

    @pytest.mark.parametrize("number", [1, 7, 8, 10])
    def test_few_are_shown_in_full(self, number: int) -> None:
        """A package of a few PDUs is not shortened, and nothing is shown twice."""
        lines = TREE.format(inside="\n".join(map(device, range(number)))).splitlines()
        text = "\n".join(demo.shorten(lines))

        assert "more devices" not in text
        assert number == text.count("QEMU_VM_SECTION_FULL")


@pytest.mark.needs_tshark
class TestDemo:
    def test_package_and_summary(self, cli: Callable[..., Ran]) -> None:
        """The tree of the package with its inner stream, the summary, and what to do next."""
        ran = cli("demo")

        assert (0, "") == (ran.code, ran.err)
        positions = [
            ran.out.index(text)
            for text in (
                "    MIG_CMD_PACKAGED",
                "        MIG_CMD_POSTCOPY_LISTEN",
                "        QEMU_VM_SECTION_FULL",
                "        MIG_CMD_POSTCOPY_RUN",
                "ram.postcopy-requests",
                "Install the plugin:",
            )
        ]
        assert sorted(positions) == positions

    def test_a_capture_without_a_package(self, cli: Callable[..., Ran], pcaps: Path) -> None:
        """A precopy migration has no package to show."""
        ran = cli("demo", pcaps / "qemu-10.0-pre.pcap.gz")

        assert (2, "") == (ran.code, ran.out)
        assert "no MIG_CMD_PACKAGED in this capture\nhint: " in ran.err
