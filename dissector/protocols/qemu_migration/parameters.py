# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: settings and counters
# scapy.contrib.status = skip
"""What the wire does not tell, and what is worth counting.

QEMU assumes that both ends were started alike and says little about how: whether section footers are on, how large a
target page is, which release wrote the stream.  Each of these is guessed from the stream as far as that is possible;
the parameters here are for the rest.  0 always means "find out".
"""

from __future__ import annotations

from ...declare import Counter, Parameter
from .constants import DEFAULT_PAGE_SIZE, TARGET_PAGE_SIZES
from .dialects import DIALECTS, RELEASE

AUTO, ON, OFF = 0, 1, 2
SWITCH = ((AUTO, "automatic"), (ON, "on"), (OFF, "off"))

RELEASE_2_12, RELEASE_2_11 = 1, 2

PARAMETERS = (
    Parameter(
        "page_size",
        "Target page size",
        AUTO,
        ((AUTO, f"automatic, else {DEFAULT_PAGE_SIZE}"), *((size, str(size)) for size in TARGET_PAGE_SIZES)),
        "Used until the stream tells: the configuration does for variable targets (Arm), POSTCOPY_ADVISE for all.",
    ),
    Parameter(
        "footers",
        "Section footers",
        AUTO,
        SWITCH,
        "On since 2.4 but for machine types up to 2.3; automatic looks behind the first RAM section.",
    ),
    Parameter(
        "configuration",
        "Configuration section",
        AUTO,
        SWITCH,
        "On since 2.4 but for machine types up to 2.3; automatic looks behind the file header.",
    ),
    Parameter(
        "ignore_shared",
        "Capability x-ignore-shared",
        AUTO,
        SWITCH,
        "Adds an address to each RAM block; automatic takes it from the configuration.",
    ),
    Parameter(
        "mapped_ram",
        "Capability mapped-ram",
        AUTO,
        SWITCH,
        "Gives each page a fixed place in a file; automatic takes it from the configuration.",
    ),
    Parameter(
        "block_page_sizes",
        "Page sizes in the RAM block list",
        AUTO,
        ((AUTO, "automatic"), (ON, "of blocks with huge pages"), (OFF, "never")),
        "With postcopy-ram, blocks with huge pages have a page size; automatic asks POSTCOPY_ADVISE for it first.",
    ),
    Parameter(
        "colo",
        "COLO",
        AUTO,
        SWITCH,
        "Whether checkpoints follow the migration; automatic looks behind the last section.",
    ),
    Parameter(
        "dialect",
        "Dialect",
        AUTO,
        ((AUTO, "automatic"), (RELEASE, "release"), *((d.value, d.title) for d in DIALECTS)),
        "The numbers of commands: those of a release, or of the postcopy series before 2.5; automatic looks at the "
        "first command.",
    ),
    Parameter(
        "release",
        "QEMU release",
        AUTO,
        ((AUTO, "automatic"), (RELEASE_2_12, "2.12 and newer"), (RELEASE_2_11, "2.5 to 2.11")),
        "Decides whether a package of more than 16 MiB is an error (up to 2.11) or worth a note.",
    ),
)

NORMAL = "ram.normal"
DUPLICATE = "ram.duplicate"
XBZRLE = "ram.xbzrle"
COMPRESSED = "ram.compressed"
REQUESTS = "ram.postcopy-requests"

COUNTERS = (
    Counter(NORMAL, "pages", "Whole pages, as in query-migrate; from all channels."),
    Counter(DUPLICATE, "zero", "Pages of one repeated octet, as in query-migrate."),
    Counter(XBZRLE, "XBZRLE", "Pages sent as a difference; xbzrle-cache.pages of query-migrate."),
    Counter(
        COMPRESSED,
        "compressed",
        "Pages sent compressed; compression.pages of query-migrate, 2.4 to 9.0.",
    ),
    Counter(REQUESTS, "", "REQ_PAGES and REQ_PAGES_ID on the return path, as in query-migrate."),
)
