# SPDX-License-Identifier: GPL-2.0-or-later
"""What a protocol file imports beside Scapy: expression objects, registers, rules, streams, channels.

``F.x`` is a field of the PDU at hand, ``S.x`` a register of its stream, ``P.x`` a parameter, ``peek(offset, size)``
an integer ahead of the cursor.  Put together with operators they are ordinary callables for Scapy (``cond=``,
``length_from=``) and, at the same time, expressions that the generator can read.  A plain lambda does as well
wherever only fields of the PDU are needed.

:mod:`~dissector.declare.expressions` has these objects, :mod:`~dissector.declare.tables` rules, states, streams and
channels: plain data with the line they stand on, which :mod:`dissector.frontend.streams` turns into the model.  Nothing
here imports Scapy.
"""

from __future__ import annotations

from ..ir.model import Counter, Parameter
from .expressions import (
    E,
    F,
    P,
    S,
    as_expr,
    both,
    choose,
    current_registers,
    either,
    iif,
    not_,
    peek,
    peek_bytes,
    printable,
    registers,
    size,
    until_nul,
)
from .tables import (
    UNPACKERS,
    Channel,
    Finding,
    Message,
    Note,
    Packed,
    Protocol,
    Register,
    Resync,
    Rule,
    State,
    Stream,
    Until,
    text,
)

__all__ = [
    "UNPACKERS",
    "Channel",
    "Counter",
    "E",
    "F",
    "Finding",
    "Message",
    "Note",
    "P",
    "Packed",
    "Parameter",
    "Protocol",
    "Register",
    "Resync",
    "Rule",
    "S",
    "State",
    "Stream",
    "Until",
    "as_expr",
    "both",
    "choose",
    "current_registers",
    "either",
    "iif",
    "not_",
    "peek",
    "peek_bytes",
    "printable",
    "registers",
    "size",
    "text",
    "until_nul",
]
