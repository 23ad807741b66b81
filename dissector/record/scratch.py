# SPDX-License-Identifier: GPL-2.0-or-later
"""The place of a recording, and who clears it away.

A recording needs files that QEMU can read, and makes half-written ones.  All of them are in one folder, which vanishes
with the recorder, however that ends: also when it is killed with SIGKILL, or the terminal is closed.  Code of ours does
not run then.  So a *janitor*, a shell of one line, is started first: it reads names from a pipe until the pipe is
closed, which the kernel does when the recorder is gone, and then removes what has these names.

Processes do not outlive the recorder either.  On Linux each of them asks the kernel to be killed when its parent ends
(``PR_SET_PDEATHSIG``); this holds through programs that only execute another one (``chroot``, ``nice``), but not
through those that fork or change the user (``sudo``, ``setpriv``).

QEMU may be in a chroot.  ``Scratch`` then lies below its root, and :meth:`Scratch.inside` gives names as they are in
there.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from dissector.record.scenario import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = "@/"
"""What stands, in a scenario's arguments, for the folder of a recording."""

JANITOR = """
trap '' INT TERM HUP
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
names=
while IFS= read -r line; do names="$names$line
"; done
printf %s "$names" | while read -r what name; do
    case $what in
        folder) rm -rf -- "$name" ;;
        netns) ip netns del "$name" 2>/dev/null ;;
    esac
done
"""
_PR_SET_PDEATHSIG, _CLONE_NEWNET = 1, 0x40000000


class Scratch:
    """A folder that is there as long as the recorder is; *root* is the root that QEMU sees, "/" if there is none."""

    def __init__(self, out: Path, root: Path | None = None) -> None:
        self.root = root.resolve() if root else None
        where = self.root / "tmp" if self.root else Path(tempfile.gettempdir())
        name = f"layershark-{secrets.token_hex(4)}"
        self.folder = where / name
        self.staging = out / f".{name}"
        """For what is complete but for its name: in the folder where it belongs, since renaming is atomic there."""
        command = ["/bin/sh", "-c", JANITOR]
        self._janitor = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        self.remove("folder", str(self.folder))
        self.remove("folder", str(self.staging))
        for folder in (self.folder, self.staging):
            try:
                folder.mkdir()
            except OSError as error:
                self.close()
                raise RecordError(str(folder.parent), f"cannot be written to: {error.strerror}") from error

    def remove(self, what: str, name: str) -> None:
        """Have something removed at the end: a ``folder`` or a ``netns``."""
        assert self._janitor.stdin is not None
        self._janitor.stdin.write(f"{what} {name}\n".encode())
        self._janitor.stdin.flush()

    def path(self, name: str) -> Path:
        """Give the place of a file, for ourselves."""
        return self.folder / name

    def inside(self, text: str) -> str:
        """Give a text in which ``@/`` is the place of our files, for QEMU."""
        folder = Path("/", self.folder.relative_to(self.root)) if self.root else self.folder
        return text.replace(HERE, f"{folder}/")

    def clear(self) -> None:
        """Remove the files of one attempt, so that the next one begins anew."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Have the janitor do its work, and wait for it."""
        assert self._janitor.stdin is not None
        with suppress(BrokenPipeError):
            self._janitor.stdin.close()
        self._janitor.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def plain(text: str) -> str:
    """Give a text in which our files have no folder, for whoever reads of them elsewhere."""
    return text.replace(HERE, "")


def dies_with_us(namespace: str = "") -> Callable[[], None] | None:
    """Give what a child does before it becomes a program, so that it does not outlive us.

    It also enters a network namespace, given by its file, without the help of ``ip netns exec``.
    """
    if not sys.platform.startswith("linux"):
        return None
    parent, libc = os.getpid(), ctypes.CDLL(None, use_errno=True)

    def ask_the_kernel() -> None:
        if namespace and libc.setns(os.open(namespace, os.O_RDONLY | os.O_CLOEXEC), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # which ended before it was asked
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_the_kernel
