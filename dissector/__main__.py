# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m dissector``: the same as the command ``dissector``."""

import sys

from dissector.cli import main

if __name__ == "__main__":
    sys.exit(main())
