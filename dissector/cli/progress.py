# SPDX-License-Identifier: GPL-2.0-or-later
"""A progress bar on stderr for captures that take a while.

It shows itself after a second, and only where somebody looks: not when stderr is a file, nor when the result goes to
the same terminal and would be torn apart by it.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DELAY = 1.0


@contextlib.contextmanager
def progress_bar(*, prints: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Give a function to call with (octets read, size of the file or None); *prints*: lines go to stdout meanwhile."""
    hidden = not sys.stderr.isatty() or (prints and sys.stdout.isatty())
    with tqdm(unit="B", unit_scale=True, delay=DELAY, leave=False, disable=hidden, file=sys.stderr) as bar:

        def progress(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress
