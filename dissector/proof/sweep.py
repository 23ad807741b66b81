# SPDX-License-Identifier: GPL-2.0-or-later
"""Every module of a package, each in a process of its own: what hangs or dies takes nothing else with it."""

from __future__ import annotations

import importlib
import json
import logging
import os
import pkgutil
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dissector.proof.module import Verdict

PATIENCE = 900.0
MEMORY = 2 << 30
"""Octets of address space that a module may take: a random length can be large."""
PACKAGE = "scapy.contrib"


@dataclass(slots=True)
class Module:
    """What became of a module: its verdicts, or why there are none (``failed``)."""

    name: str
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    failed: str = ""
    seconds: float = 0.0
    megabytes: int = 0


def modules(package: str = PACKAGE) -> list[str]:
    """Give the names of all modules of a package."""
    top = importlib.import_module(package)
    return sorted(info.name for info in pkgutil.walk_packages(top.__path__, f"{package}.") if not info.ispkg)


def sweep(names: Iterable[str], jobs: int, options: list[str], tell: Callable[[Module], None]) -> list[Module]:
    """Prove the modules called *names*, some at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(apart, name, options) for name in names]
        found = []
        for done in as_completed(waiting):
            found.append(done.result())
            tell(found[-1])
    return sorted(found, key=lambda module: module.name)


def apart(name: str, options: list[str]) -> Module:
    """Prove one module in a process of its own."""
    command = [sys.executable, "-m", "dissector.proof", "--one", name, *options]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False, text=True)
    except subprocess.TimeoutExpired:
        return Module(name, failed=f"not ready after {PATIENCE:g} seconds")
    lines = done.stdout.splitlines()
    try:
        return Module(**json.loads(lines[-1]))
    except (IndexError, ValueError, TypeError):
        said = done.stderr.strip().splitlines()
        return Module(name, failed=f"ended with code {done.returncode}: {said[-1] if said else 'nothing was said'}")


def one(name: str, prove: Callable[[], list[Verdict]]) -> str:
    """Prove one module in this process, and give the result as a line."""
    logging.getLogger("scapy").setLevel(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    began = time.monotonic()
    module = Module(name)
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - a module fails as it likes, for want of a package for instance
        module.failed = f"cannot be imported: {type(error).__name__}: {error}"
    else:
        module.verdicts = [asdict(verdict) for verdict in prove()]
    module.seconds = round(time.monotonic() - began, 1)
    module.megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return json.dumps(asdict(module))


def default_jobs() -> int:
    """Give the number of processors that may be used."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
