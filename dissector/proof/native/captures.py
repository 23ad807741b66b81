# SPDX-License-Identifier: GPL-2.0-or-later
"""The comparison over captures and campaigns of others, which are fetched for the run and never part of this project.

A capture is read twice, without and with the plugin; frames in which both find the protocol are compared.  Where a
packet begins is where the plugin's tree begins; what was put together from several segments has octets of its own in
Wireshark, counted from their own beginning, and both readings are of the same ones.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dissector.errors import ProofError
from dissector.tshark import Tshark

from .compare import Result
from .frames import frame, write
from .packets import campaign, module_of
from .plugin import Plugin
from .profile import Profile
from .reading import frames, types
from .run import Outcome, Packet, preferences


def outcome(profile: Profile, tshark: Tshark, folder: Path) -> Outcome:
    """Compare what is in the captures and campaigns of a profile, which are looked for below *folder*."""
    found = Outcome(Result(profile), Result(profile))
    kinds = types(tshark)
    with tempfile.TemporaryDirectory() as name:
        plugin = Plugin(profile, Path(name))
        for path in captures(profile, folder, Path(name)):
            native = frames(tshark, path, profile.layers, kinds, prefs=preferences([profile]))
            for ours, theirs in zip(plugin.frames(tshark, path), native, strict=True):
                for number, (node, octets) in enumerate(ours.tops):
                    if node.pos is None or not octets:
                        continue
                    begin, end = node.pos.offset, node.pos.offset + len(octets)
                    their = theirs.within(begin, end)
                    if their.fields and not theirs.malformed:
                        packet = Packet(f"{path.name} frame {ours.number}.{number + 1}", octets, begin)
                        found.add(plugin, packet, ours.within(begin, end), their)
    return found


def captures(profile: Profile, folder: Path, scratch: Path) -> Iterator[Path]:
    """The captures of a profile, those that are made from campaigns among them."""
    for name in profile.captures:
        yield there(folder / name)
    _, classes = module_of(profile.target)
    for name in profile.campaigns:
        packets = campaign(there(folder / name), classes)
        made = [
            octets if whole else frame(profile.carrier, octets, number, to=profile.to)
            for number, (whole, octets) in enumerate(packets)
        ]
        if made:
            yield write(scratch / f"{Path(name).stem}.uts.pcapng.gz", made)


def there(path: Path) -> Path:
    """A file that has to be there."""
    if not path.exists():
        raise ProofError(
            str(path), "not there", "git clone https://github.com/secdev/scapy into the folder that you name"
        )
    return path


def described(folder: Path) -> str:
    """The clones in a folder, with their commits."""
    said = []
    for clone in sorted(path for path in folder.iterdir() if path.is_dir()):
        command = [shutil.which("git") or "git", "-C", str(clone), "rev-parse", "--short=12", "HEAD"]
        commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        said.append(f"the test captures and campaigns of {clone.name}" + (f" ({commit})" if commit else ""))
    return " and ".join(said)
