# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/run_time_configuration.py:13: Verbose.data: length_from: reads scapy's configuration (conf) (run_time_configuration.py:13)
# hint: a dissector has one fixed form: make it a constant of the layer, or a parameter (P.name)
from __future__ import annotations

from scapy.config import conf
from scapy.fields import ByteField, StrLenField

from dissector.protocols.pdu import Pdu


class Verbose(Pdu):
    fields_desc = [ByteField("n", 0), StrLenField("data", b"", length_from=lambda pkt: pkt.n + conf.verb)]


TARGET = Verbose
