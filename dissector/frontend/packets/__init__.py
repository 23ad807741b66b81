# SPDX-License-Identifier: GPL-2.0-or-later
"""From Scapy layers to :class:`dissector.ir.packets.Suite`: packets that are all there, as Scapy dissects them.

``subject`` one field and its callables; ``registry`` field class -> row; ``numbers``, ``bits``, ``strings``, ``lists``,
``wrappers`` the rows; ``layers`` what a layer is made of; ``hooks`` what it does in code around its fields; ``names``
display-filter names; ``externals`` what Wireshark has itself; ``suites`` all layers that belong together.
"""

from .layers import translate_packet
from .registry import register, register_template
from .suites import refusals, suite

__all__ = ["refusals", "register", "register_template", "suite", "translate_packet"]
