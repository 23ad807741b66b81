# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows for field classes of Scapy's own contributed layers, by name: no layer is imported for them.

Each is what somebody would write for field classes of their own; see ``docs/`` on templates and rows.
"""

from . import automotive, lengths, network, pfcp, scada  # noqa: F401  they register their rows
