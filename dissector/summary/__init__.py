# SPDX-License-Identifier: GPL-2.0-or-later
"""What happened in a migration, in the words and numbers of QEMU's own ``query-migrate``.

``migration`` collects from events and connection facts, ``sections`` measures sections, ``stored`` knows what is
peculiar to files, ``verdict`` draws the conclusions: which numbers the wire can tell, which it cannot and why, and how
the migration ended.  Nothing here reads a file, knows Scapy or keeps more than names and counts, so a summary of a
terabyte takes no more memory than one of a megabyte.

PDUs are known here by their labels (QEMU's names of constants) and by display-filter names, which are both fixed
interfaces; everything else about them is the protocol's business.
"""

from dissector.summary.migration import Connected, Error, Migration
from dissector.summary.verdict import result

__all__ = ["Connected", "Error", "Migration", "result"]
