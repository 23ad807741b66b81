# SPDX-License-Identifier: GPL-2.0-or-later
"""The smallest backend: what the generator understood, for reviews and goldens."""

from __future__ import annotations

from ...ir.dump import dump
from ...ir.model import Protocol
from ..base import Backend


class IrBackend(Backend):
    """See :mod:`dissector.ir.dump`."""

    suffix = ".ir"

    def generate(self, protocol: Protocol) -> str:
        """The dump, as it is."""
        return dump(protocol)
