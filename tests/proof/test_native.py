# SPDX-License-Identifier: GPL-2.0-or-later
"""Three readings of the same packets: the generated plugin, Scapy, and Wireshark's own dissector.

Profiles say which field is which for one release of Wireshark and of Scapy; with others these tests are passed over.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import scapy

from dissector.errors import ProofError
from dissector.proof.native.__main__ import DOCUMENT, PROFILES
from dissector.proof.native.profile import Profile, profiles, read
from dissector.proof.native.run import Native
from dissector.proof.native.table import row, section
from dissector.tshark import find_tshark

WIRESHARK, SCAPY = (4, 0), "2.8"
ALL = profiles(PROFILES)


@pytest.fixture(scope="module")
def native() -> Native:
    tshark = find_tshark()
    if tshark.version[:2] != WIRESHARK or not scapy.__version__.startswith(SCAPY):
        pytest.skip("the profiles are for Wireshark 4.0 and Scapy 2.8")
    return Native(ALL, tshark)


@pytest.mark.parametrize("profile", ALL, ids=lambda profile: profile.name)
def test_every_difference_has_a_reason(profile: Profile, native: Native) -> None:
    """What the three say is the same but for what the profile explains, and docs/native.md says so."""
    outcome = native.outcome(profile)
    document = DOCUMENT.read_text(encoding="utf-8")

    assert outcome.complaints() == []
    assert outcome.scapy.unused() == []
    assert outcome.plugin.equal > 0
    assert row(outcome.plugin) in document
    assert section(outcome.plugin) in document


def test_many_protocols() -> None:
    """At least a dozen protocols are compared, and each has packets."""
    assert len({profile.layers[-1] for profile in ALL}) >= 12
    assert all(profile.packets for profile in ALL)


GOOD = """
title = "x"
target = "a:B"
carrier = "udp 1"
layers = ["b"]
[[packet]]
what = "one"
octets = "00"
[same]
"B.c" = "b.c"
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('carrier = "udp 1"', 'carrier = "pigeon 1"', "carrier 'pigeon' is none of udp, tcp"),
        ('title = "x"', "", "KeyError('title')"),
        ('octets = "00"', "", "needs either scapy or octets"),
        ('layers = ["b"]', 'layers = ["b"]\nport = 1', "has a key 'port' that nobody reads"),
        (
            "[same]",
            '[[difference]]\nfields = ["b.c"]\nkind = "odd"\nfault = "model"\nwhy = "x"\n[same]',
            "needs a kind",
        ),
    ],
)
def test_profiles_are_checked(old: str, new: str, said: str, tmp_path: Path) -> None:
    """A profile that is none is refused, with what is wrong with it."""
    path = tmp_path / "p.toml"
    path.write_text(GOOD)
    assert read(path).same["B.c"].names == ("b.c",)

    path.write_text(GOOD.replace(old, new))

    with pytest.raises(ProofError, match=r"p\.toml") as caught:
        read(path)
    assert said in str(caught.value)
