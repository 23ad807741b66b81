# SPDX-License-Identifier: GPL-2.0-or-later
"""Says what is installed, what is missing and how to get it, and puts a plugin where Wireshark looks for plugins.

A report is a list of findings that the command line prints or turns into JSON.  Only what is ``needed`` makes a report
bad; sharkd, pyshark, QEMU and dumpcap each serve one purpose that most people never have.

The folder is the one place where a person's own home counts, so tshark is asked for it in the environment that we were
started in, not in the sandbox of every other run.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dissector.errors import DissectorError, TsharkError
from dissector.tshark.find import dotted, find_program, find_tshark
from dissector.tshark.sandbox import is_root
from dissector.tshark.sharkd import sharkd_beside

NO_LUA_FOR_ROOT_SINCE = (4, 2)
OLDEST_PYTHON = (3, 11)

COMMON = "Debian, Ubuntu: sudo apt-get install wireshark-common; Fedora: sudo dnf install wireshark-cli"
HOW_TO_GET = {
    "sharkd": COMMON,
    "dumpcap": COMMON,
    "qemu-system-x86_64": "Debian, Ubuntu: sudo apt-get install qemu-system-x86; Fedora: sudo dnf install qemu",
}
PURPOSE = {
    "sharkd": "visits frames in any order",
    "dumpcap": "records without loss",
    "qemu-system-x86_64": "records migrations",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: what was looked for, whether it is there, what it is, and how to get it."""

    name: str
    ok: bool
    detail: str
    hint: str = ""
    needed: bool = True


def check() -> list[Finding]:
    """Look at everything that this package can make use of."""
    return [
        check_python(),
        check_package("scapy", needed=True),
        *check_tshark(),
        check_package("pyshark", needed=False),
        *(check_program(name) for name in ("sharkd", "dumpcap", "qemu-system-x86_64")),
    ]


def check_python() -> Finding:
    """Look at the interpreter that runs this."""
    ok = sys.version_info >= OLDEST_PYTHON
    return Finding("python", ok, platform.python_version(), "" if ok else f"install {dotted(OLDEST_PYTHON)} or newer")


def check_package(name: str, *, needed: bool) -> Finding:
    """Look for a Python package without importing it."""
    try:
        return Finding(name, ok=True, detail=importlib.metadata.version(name), needed=needed)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, ok=False, detail="not installed", hint=f"pip install {name}", needed=needed)


def check_tshark() -> list[Finding]:
    """Look for tshark with Lua, at who runs it, and at the folder for plugins."""
    try:
        tshark = find_tshark()
    except TsharkError as error:
        return [Finding("tshark", ok=False, detail=f"{error.where}: {error.what}", hint=error.hint)]
    findings = [Finding("tshark", ok=True, detail=f"{dotted(tshark.version)} with lua {tshark.lua} ({tshark.path})")]
    if is_root() and tshark.version >= NO_LUA_FOR_ROOT_SINCE:
        findings.append(
            Finding(
                "plugins as root",
                ok=False,
                detail="this tshark ignores lua plugins when root runs it; dissector runs it as another user",
                hint="when you run tshark yourself: setpriv --reuid=65534 --regid=65534 --clear-groups tshark …",
                needed=False,
            )
        )
    findings.append(Finding("plugin folder", ok=True, detail=str(plugin_folder()), needed=False))
    return findings


def check_program(name: str) -> Finding:
    """Look for a program that is good to have, and ask it for its version."""
    try:
        path = sharkd_beside(find_tshark()) if name == "sharkd" else find_program(name)
    except TsharkError:
        return Finding(name, ok=False, detail=f"not installed ({PURPOSE[name]})", hint=HOW_TO_GET[name], needed=False)
    try:
        output = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(name, ok=False, detail=f"{path} does not run: {error}", hint=HOW_TO_GET[name], needed=False)
    version = re.search(r"\d+\.\d+(?:\.\d+)?", output.stdout + output.stderr)
    return Finding(name, ok=True, detail=f"{version[0] if version else 'unknown version'} ({path})", needed=False)


def plugin_folder() -> Path:
    """Give the folder from which Wireshark loads this person's Lua plugins."""
    try:
        told = ask_for_folder(find_tshark().path)
    except TsharkError:
        told = None
    return told or usual_plugin_folder()


def ask_for_folder(tshark: str) -> Path | None:
    """Ask tshark; the Lua line is newer than the other, whose last part is a version for compiled plugins."""
    try:
        answer = subprocess.run([tshark, "-G", "folders"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    folders = dict(re.findall(r"^([^:\n]+):\s+(\S.*?)\s*$", answer.stdout, re.MULTILINE))
    if "Personal Lua Plugins" in folders:
        return Path(folders["Personal Lua Plugins"])
    if "Personal Plugins" in folders:
        folder = Path(folders["Personal Plugins"])
        return folder.parent if re.fullmatch(r"\d+[.-]\d+", folder.name) else folder
    return None


def usual_plugin_folder() -> Path:
    """Give the folder that Wireshark's documentation names."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming")) / "Wireshark" / "plugins"
    return Path.home() / ".local" / "lib" / "wireshark" / "plugins"


def install(plugin: Path, folder: Path | None = None) -> Path:
    """Put ``plugin`` into ``folder`` (Wireshark's own by default) and give its place there.

    A Wireshark that starts meanwhile finds the old file or the new one, never a part of it: the copy is made beside
    the target and renamed.
    """
    if not plugin.is_file():
        raise DissectorError(str(plugin), "no such file", "dissector generate writes the plugin")
    target = (folder or plugin_folder()) / plugin.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", suffix=".part", delete=False) as part:
            try:
                with plugin.open("rb") as source:
                    shutil.copyfileobj(source, part)
                part.close()
                # The temporary file is private; a plugin may be read by whoever may enter the folder.
                Path(part.name).chmod(0o644)
                Path(part.name).replace(target)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise DissectorError(str(target), f"cannot be written: {error.strerror}", "name another folder") from error
    return target
