# SPDX-License-Identifier: GPL-2.0-or-later
"""Where tshark, sharkd and pyshark's tshark are run: nobody's user, nobody's home.

Two things make a run of Wireshark's tools depend on the person who starts it, and both are taken away here.

*The home.*  Profiles, preferences, disabled protocols, personal plugins and the language of messages all come from
it; a test that passes for one person fails for the next.  Every run gets an empty home of its own, UTC and C.UTF-8.

*Being root.*  From 4.2 on Wireshark ignores every Lua script when it runs as root: exit code 0, the stream shown as
plain TCP, nothing said.  Neither ``-X`` nor personal plugins nor any variable changes that; only another user does.
Containers run as root, so this is the normal case of a CI, and root is dropped for the child process.  The price is
that the child must be able to read the plugin and the capture, which often lie below ``/root``; ``readable`` and
``opened`` see to that with as little copying as they can:

* a file that others may read is used in place;
* one whose folder alone is in the way gets a second name (a hard link) in the sandbox, which costs nothing;
* a capture that is read once, front to back, is opened here and handed over as standard input, whatever its size;
* only what is left is copied.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from dissector.errors import TsharkError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

NOBODY = 65534
"""The user and group without rights, on every system that has one."""

KEPT_VARIABLES = ("WIRESHARK_DATA_DIR", "WIRESHARK_PLUGIN_DIR", "WIRESHARK_RUN_FROM_BUILD_DIRECTORY")
"""How a Wireshark that was never installed finds its own files; all other variables of its are taken away."""

PLUGIN_FOLDERS = (Path(".local", "lib", "wireshark", "plugins"), Path("Wireshark", "plugins"))
"""Where personal plugins lie below HOME (Linux, macOS) and below APPDATA (Windows), which are the same folder here."""


def is_root() -> bool:
    """Tell whether a child process has to be given another user."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def others_can_reach(path: Path) -> bool:
    """Tell whether any user may enter every folder on the way to ``path``."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def others_can_read(path: Path) -> bool:
    """Tell whether any user may open ``path``."""
    return bool(path.stat().st_mode & stat.S_IROTH) and others_can_reach(path)


def environment(home: Path) -> dict[str, str]:
    """Give this process's environment with ``home`` in the place of everything personal."""
    personal = ("LC_", "LANG", "XDG_", "WIRESHARK_", "G_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_VARIABLES or not name.upper().startswith(personal)
    }
    return kept | {
        "HOME": str(home),
        "APPDATA": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "WIRESHARK_CONFIG_DIR": str(home / ".config" / "wireshark"),
        "TMPDIR": str(home),
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }


class Sandbox:
    """A temporary folder with a home in it, and the processes that run there; a context manager."""

    def __init__(self) -> None:
        base = Path(tempfile.gettempdir())
        self.drops_root = is_root()
        self._names: dict[str, str] = {}
        # A private TMPDIR of root's is closed to the user that the child becomes.
        if self.drops_root and not others_can_reach(base / "x"):
            base = Path("/tmp")  # noqa: S108 - mkdtemp below makes a fresh folder in it
        self.folder = Path(tempfile.mkdtemp(prefix="dissector-", dir=base))
        self.home = self.folder / "home"
        (self.home / ".config" / "wireshark").mkdir(parents=True)
        self.env = environment(self.home)
        if self.drops_root:
            self.folder.chmod(0o711)
        self._hand_over(self.home / ".config" / "wireshark")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def readable(self, path: Path) -> Path:
        """Give a path at which the child can read the file ``path``, under the same name."""
        source = existing(path)
        if not self.drops_root or others_can_read(source):
            self._names[str(source)] = str(path)
            return source
        # A short name, since Lua cuts the front off a long one when it says where an error is.
        target = self.folder / str(len(self._names)) / path.name
        target.parent.mkdir()
        target.parent.chmod(0o755)
        self._names[str(target)] = str(path)
        if not (source.stat().st_mode & stat.S_IROTH and linked(source, target)):
            shutil.copyfile(source, target)
            target.chmod(0o644)
        return target

    def opened(self, path: Path) -> tuple[str, IO[bytes] | None]:
        """Give the argument of ``-r`` and the standard input, for one pass over the capture ``path``."""
        source = existing(path)
        if not self.drops_root or others_can_read(source):
            return str(source), None
        return "-", source.open("rb")

    def put_plugin(self, plugin: Path) -> None:
        """Copy ``plugin`` into the home's plugin folder, for programs that know no ``-X``."""
        source = existing(plugin)
        for folder in PLUGIN_FOLDERS:
            target = self.home / folder / plugin.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            self._hand_over(target)
        self._names[str(self.home / PLUGIN_FOLDERS[0] / plugin.name)] = str(plugin)

    def said(self, text: str) -> str:
        """Put the caller's file names back into a message, also where Lua left only the end of ours."""
        for ours, theirs in self._names.items():
            text = text.replace(ours, theirs)
            shortened = rf"\.\.\.[^\s:]*/{re.escape(Path(theirs).name)}(?=:)"
            text = theirs.join(re.split(shortened, text))
        return text

    def _hand_over(self, path: Path) -> None:
        """Make ``path`` and its folders, up to the home, the child's own, whatever the umask made of them."""
        if self.drops_root:
            os.chown(path, NOBODY, NOBODY)
            if path != self.home:
                self._hand_over(path.parent)

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start ``command`` as nobody and at home."""
        if self.drops_root:
            options |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        try:
            return subprocess.Popen(command, env=self.env, cwd=self.home, **options)
        except PermissionError as error:
            hint = f"user {NOBODY}, which takes root's place, must be able to run it; is it in a private folder?"
            raise TsharkError(command[0], "may not be run", hint if self.drops_root else "") from error
        except OSError as error:
            raise TsharkError(command[0], f"does not run: {error.strerror or error}") from error


def existing(path: Path) -> Path:
    """Give the absolute form of ``path``, or refuse what is no file."""
    if not path.is_file():
        raise TsharkError(str(path), "no such file")
    return path.resolve()


def linked(source: Path, target: Path) -> bool:
    """Give ``source`` a second name, where the file system has room for one."""
    try:
        target.hardlink_to(source)
    except OSError:
        return False
    return True
