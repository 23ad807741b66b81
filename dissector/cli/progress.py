# SPDX-License-Identifier: GPL-2.0-or-later
"""A progress bar on stderr for captures that take a while.

It shows itself after a second, and only where somebody looks: not when stderr is a file, nor when the result goes to
the same terminal and would be torn apart by it.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DELAY = 1.0


@contextlib.contextmanager
def progress_bar(*, prints: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Give a function to call with (octets read, size of the file or None); *prints*: lines go to stdout meanwhile."""
    if not sys.stderr.isatty() or (prints and sys.stdout.isatty()):
        yield lambda *_: None
        return
    from tqdm import tqdm  # noqa: PLC0415 - a tenth of a start, for what nobody sees

    with tqdm(unit="B", unit_scale=True, delay=DELAY, leave=False, file=sys.stderr) as bar:

        def progress(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress
