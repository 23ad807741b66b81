# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: COLO
# scapy.contrib.status = loads
"""COLO: checkpoints without end, behind a migration that stays open (x-colo, 2.8).

When the migration proper is over, both sides go on with words of 32 bits on the same connection.  The destination
says once that it is ready; then each checkpoint is

======================  =======================  ==============================================================
source                  destination
======================  =======================  ==============================================================
CHECKPOINT_REQUEST
..                      CHECKPOINT_REPLY
VMSTATE_SEND                                     followed by END sections (RAM) and EOF
VMSTATE_SIZE                                     followed by a length and so many octets: FULL sections and EOF
..                      VMSTATE_RECEIVED
..                      VMSTATE_LOADED
======================  =======================  ==============================================================

Up to 10.2 the destination's words stand in place of a return path, from 11.0 on behind its SHUT.

Source: migration/colo.c:colo_send_message(), colo_receive_message(), colo_do_checkpoint_transaction() (10.0).
"""

from __future__ import annotations

from typing import ClassVar

from scapy.fields import IntEnumField, LongField

from ..pdu import Pdu
from .constants import ColoMessageType, names

__all__ = ["ColoMessage", "ColoVmstateSize"]

MESSAGES = names(ColoMessageType)


class _Colo(Pdu):
    """What both have in common: the display-filter names."""

    group = "colo"
    labels: ClassVar[dict[str, str]] = {"message": "COLO message", "size": "Length of VM state"}


class ColoMessage(_Colo):
    """``message(4)``: a word of a checkpoint.

    Errors: "colo_receive_message: Invalid message", "Unexpected COLO message %d, expected %d".
    migration/colo.c:colo_receive_message() (10.0), since 2.8.
    """

    label = "COLO message"
    fields_desc = [IntEnumField("message", 0, MESSAGES)]


class ColoVmstateSize(_Colo):
    """``00000004 size(8)``, then that many octets: the devices' FULL sections and EOF, without a header.

    A size left out is that of everything that follows.
    migration/colo.c:colo_do_checkpoint_transaction() (10.0), since 2.8.
    """

    label = "COLO VM state"
    fields_desc = [
        IntEnumField("message", int(ColoMessageType.COLO_MESSAGE_VMSTATE_SIZE), MESSAGES),
        LongField("size", None),
    ]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Measure what follows."""
        if self.size is None:
            pkt = pkt[:4] + len(pay).to_bytes(8, "big")
        return pkt + pay
