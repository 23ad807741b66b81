# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU: which one, started how, and asked through QMP.

A *program* is a command that starts QEMU, which may be several words (``chroot /srv/trixie qemu-system-x86_64``).  An
*end* is one running QEMU.  Its monitor is a socket that it inherits, not a file: so nothing must wait for a name to
appear, no path can be too long, and it works through a chroot or into a network namespace.

What QEMU refuses is told in its own words.  There are three kinds of refusal, which a caller must be able to tell
apart: ``Lacks`` (this QEMU cannot do it, another one can), ``RecordError`` (a person can put it right), and
``Failed`` (this attempt came to nothing, the next one may not).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dissector.record.scenario import RecordError
from dissector.record.scratch import dies_with_us

try:
    from qemu.qmp import ConnectError, ExecuteError, QMPClient, QMPError
    from qemu.qmp.events import EventListener
except ModuleNotFoundError as error:
    raise RecordError(
        "dissector record", f"the Python package {error.name} is not installed", "pip install 'layershark[record]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from qemu.qmp import Message

    from dissector.record.scratch import Scratch

PREFIX = "qemu-system-"
GET_QEMU = "Debian, Ubuntu: sudo apt-get install {}; --qemu names another one"
PACKAGES = {"x86_64": "qemu-system-x86", "aarch64": "qemu-system-arm", "ppc64": "qemu-system-ppc"}
PATIENCE = 30.0
"""Seconds for whatever one waits for."""
MOST_EVENTS = 1000
USERFAULTFD = (
    "postcopy needs userfaultfd: run as root, or: sudo sysctl vm.unprivileged_userfaultfd=1 "
    "(in a container it must also be allowed by its seccomp profile)"
)
NOT_IN_THIS_BUILD = (
    "is not a valid device model name",
    "nsupported machine type",
    "invalid object type",
    "is not supported by this QEMU",
    "Parameter 'driver' does not accept value",
    "There is no option group",
    "invalid accelerator",
)
"""What QEMU prints, and ends, if a device or machine is not part of it."""


class Lacks(Exception):
    """What this QEMU cannot do; the text says what."""


class DoesNotStart(RecordError):
    """A QEMU that ends at once: this scenario cannot be recorded, others may be."""


class Failed(Exception):
    """An attempt that came to nothing; the text says why."""


@dataclass(frozen=True)
class Program:
    """A command that starts QEMU."""

    words: Sequence[str]

    def of(self, arch: str) -> Program:
        """Give the same program for another architecture: the one beside it."""
        *front, last = self.words
        folder, found, own = last.rpartition(PREFIX)
        if not found:
            if arch != "x86_64":
                raise Lacks(f'needs a {PREFIX}{arch}, and "{last}" does not say for which architecture it is')
            return self
        return replace(self, words=[*front, f"{folder}{PREFIX}{arch}"]) if own != arch else self

    def version(self) -> tuple[int, int, int]:
        """Ask it for its version."""
        try:
            done = subprocess.run([*self.words, "--version"], capture_output=True, text=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            what = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "does not answer"
            raise RecordError(self.words[0], what, self._hint()) from error
        found = re.search(r"version (\d+)\.(\d+)\.(\d+)", done.stdout)
        if found is None:
            said = (done.stderr or done.stdout).strip().splitlines() or [f"ended with code {done.returncode}"]
            raise RecordError(" ".join(self.words), f"is no QEMU that runs here: {said[0]}", self._hint())
        major, minor, micro = (int(part) for part in found.groups())
        return major, minor, micro

    def _hint(self) -> str:
        arch = self.words[-1].rpartition(PREFIX)[2]
        return GET_QEMU.format(PACKAGES.get(arch, "qemu-system-misc"))


class End:
    """One running QEMU; *scratch* is where its files are, *namespace* its network namespace, if it has one."""

    def __init__(
        self,
        name: str,
        program: Program,
        arguments: Sequence[str],
        scratch: Scratch,
        *,
        namespace: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.qmp = QMPClient(name)
        self.events = EventListener()
        self.qmp.register_listener(self.events)
        self._log = scratch.path(f"{name}.log")
        self._ours, theirs = socket.socketpair()
        chardev = ["-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control"]
        with theirs, self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*program.words, *map(scratch.inside, arguments), *chardev],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=scratch.folder,
                env={**os.environ, **(environment or {})},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the recorder, who then ends its QEMUs
                preexec_fn=dies_with_us(namespace),  # noqa: PLW1509  # there are no threads here
            )

    async def connect(self) -> None:
        """Wait for the monitor."""
        try:
            await asyncio.wait_for(self.qmp.connect(self._ours), PATIENCE)
        except (ConnectError, TimeoutError) as error:
            raise self._does_not_start() from error

    def _does_not_start(self) -> Exception:
        """Say why, in its own words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        said = self.said()
        if any(words in said for words in NOT_IN_THIS_BUILD):
            return Lacks(said)
        if "Address already in use" in said:
            return RecordError(self.name, f"the port is in use: {said}", "leave --port out, and a free one is taken")
        code = self.process.poll()
        return DoesNotStart(f"QEMU ({self.name})", f"does not start (exit code {code}): {said}")

    async def ask(self, command: str, **arguments: object) -> Any:
        """Run one QMP command; ``_`` in an argument's name is a hyphen."""
        return await self._execute(command, {name.replace("_", "-"): arguments[name] for name in arguments})

    async def urge(self, command: str, **arguments: object) -> Any:
        """Run one QMP command out of band: also while the monitor waits for something else."""
        return await self._execute(command, arguments, oob=True)

    async def _execute(self, command: str, given: dict[str, object], *, oob: bool = False) -> Any:
        try:
            return await asyncio.wait_for(self.qmp.execute(command, given, oob=oob), PATIENCE)
        except TimeoutError as error:
            raise Failed(f"{self.name}: {command}: no answer: {self.said()}") from error
        except ExecuteError as error:
            raise Failed(f"{self.name}: {command}: {error}") from error
        except QMPError as error:
            raise Failed(f"{self.name}: {command}: {error}: {self.said()}") from error

    async def set_up(self, capabilities: Sequence[str], parameters: Mapping[str, object]) -> None:
        """Set what the scenario wants, and have migration events reported."""
        known = {row["capability"] for row in await self.ask("query-migrate-capabilities")}
        if missing := set(capabilities) - known:
            raise Lacks(f"has no migration capability {', '.join(sorted(missing))}")
        wanted = [{"capability": name, "state": True} for name in (*capabilities, "events")]
        try:
            await self.ask("migrate-set-capabilities", capabilities=wanted)
            await self.ask("migrate-set-parameters", **parameters)
        except Failed as error:
            if "ostcopy is not supported" in f"{error}{self.said()}" or "userfault" in self.said():
                raise RecordError(self.name, f"userfaultfd is not permitted: {self.said()}", USERFAULTFD) from error
            raise Lacks(str(error)) from error

    async def status(self, *wanted: str) -> dict[str, Any]:
        """Wait until the migration is in one of the states *wanted*, and give all that QEMU tells of it."""
        found: dict[str, Any] = {}

        async def there() -> bool:
            nonlocal found
            found = await self.ask("query-migrate")
            if found.get("status") in {"completed", "failed", "cancelled"} - {*wanted}:
                raise Failed(f"{self.name}: waited for {' or '.join(wanted)}: {found}: {self.said()}")
            return found.get("status") in wanted

        await until(there, f"{self.name}: waiting for {' or '.join(wanted)}", self)
        return found

    async def guest_runs(self) -> None:
        """Wait until the guest changes its memory."""
        seen: set[str] = set()

        async def changes() -> bool:
            seen.add(await self.ask("human-monitor-command", command_line="xp /1bx 0x1f000"))
            return len(seen) > 3

        await until(changes, f"{self.name}: the guest does not run", self)

    async def happened(self) -> list[Message]:
        """Give the events that were not given yet."""
        found: list[Message] = []
        while not self.events.empty() and len(found) < MOST_EVENTS:
            found.append(await self.events.get())
        return found

    def said(self) -> str:
        """Give what QEMU printed."""
        with contextlib.suppress(OSError):
            return self._log.read_text(errors="replace").strip()[-2000:] or "nothing printed"
        return "nothing printed"

    async def close(self) -> None:
        """End it, whatever state it is in."""
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self.qmp.disconnect(), 2)
        self._ours.close()


async def until(condition: Callable[[], Any], what: str, *ends: End, patience: float = PATIENCE) -> None:
    """Wait for *condition*, a function or a coroutine function, but neither for ever nor for the dead."""
    limit = time.monotonic() + patience
    while time.monotonic() < limit:
        found = condition()
        if await found if asyncio.iscoroutine(found) else found:
            return
        for end in ends:
            if end.process.poll() is not None:
                raise Failed(f"{what}: {end.name} ended with code {end.process.returncode}: {end.said()}")
        await asyncio.sleep(0.02)
    raise Failed(f"{what}: gave up after {patience:g} seconds")
