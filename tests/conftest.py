# SPDX-License-Identifier: GPL-2.0-or-later
"""No test reads or writes the cache of whoever runs it, nor do the programs that tests start."""

from __future__ import annotations

import os

os.environ["DISSECTOR_CACHE"] = ""
