# SPDX-License-Identifier: GPL-2.0-or-later
"""However a recording ends, nothing of it is left: no QEMU, no file that is half of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.needs_qemu,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
]
ROOT = Path(__file__).parents[2]
SCENARIO = """
[long]
about = "a migration that lasts for as long as it is let"
parameters = { max-bandwidth = 10_000 }
"""


def qemus(folder: Path) -> list[int]:
    """Give the processes whose command lines have files in a folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if str(folder).encode() in (process / "cmdline").read_bytes() and int(process.name) != os.getpid():
                    found.append(int(process.name))
            except OSError:
                continue
    return found


def waited(condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + 20
    while not condition() and time.monotonic() < limit:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)]
)
def test_a_recorder_that_is_ended(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """In the middle of a migration, by any signal."""
    (tmp_path / "own.toml").write_text(SCENARIO)
    scratch, out = tmp_path / "tmp", tmp_path / "out"
    scratch.mkdir()
    out.mkdir()
    command = [sys.executable, "-m", "dissector", "record", "long", "--scenarios", "../own.toml"]
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=out, env=environment, stderr=subprocess.PIPE, text=True) as process:
        packets = "layershark-*/packets"
        assert waited(lambda: any(path.stat().st_size > 1000 for path in scratch.glob(packets))), "nothing was recorded"
        assert len(qemus(scratch)) >= 2
        process.send_signal(number)
        _, said = process.communicate(timeout=20)

    assert (code, "") == (process.returncode, said)
    assert waited(lambda: not qemus(scratch))
    assert waited(lambda: not [*scratch.iterdir(), *out.iterdir()])
