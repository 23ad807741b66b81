# SPDX-License-Identifier: GPL-2.0-or-later
"""The streaming decoder: octets in, PDUs out, no I/O, no Scapy.

``events`` what is reported; ``registers`` what streams remember; ``conversation`` connections and what belongs
together; ``machine`` (a ``reader`` with octets, and a ``search`` for lost positions) one direction of a connection;
``compile`` streams as Python functions, printed by ``blocks``, ``report``, ``module``, ``steps`` and ``printer``;
``runs`` and ``boxes`` make counting fast.
"""

from .conversation import Connection, Conversation, Session
from .events import (
    Builder,
    Event,
    Found,
    Gap,
    Kind,
    Lost,
    Malformed,
    PduSeen,
    Recognised,
    Resynced,
    Source,
    Unrecognised,
)
from .machine import Machine
from .registers import Registers

__all__ = [
    "Builder",
    "Connection",
    "Conversation",
    "Event",
    "Found",
    "Gap",
    "Kind",
    "Lost",
    "Machine",
    "Malformed",
    "PduSeen",
    "Recognised",
    "Registers",
    "Resynced",
    "Session",
    "Source",
    "Unrecognised",
]
