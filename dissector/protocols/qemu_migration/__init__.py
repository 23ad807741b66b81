# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration
# scapy.contrib.status = loads
"""QEMU's live-migration protocol, releases 2.5 to 11.1: layers, stream tables, and a builder.

``PROTOCOL`` is what the generator and the decoder take; the layers are ordinary Scapy layers, one for each PDU, and
can be dissected and built by themselves; :mod:`.builder` puts whole streams together.
"""

from __future__ import annotations

from ...declare import Protocol, S
from . import (
    block,
    colo,
    command,
    configuration,
    cpr,
    dirty_bitmap,
    htab,
    mapped_ram,
    multifd,
    premerge,
    ram,
    return_path,
    s390,
    section,
    slirp,
    vfio,
)
from .block import *  # noqa: F403
from .builder import MainChannel, Package, ReturnPath
from .colo import *  # noqa: F403
from .command import *  # noqa: F403  __all__ of each file says which
from .configuration import *  # noqa: F403
from .cpr import *  # noqa: F403
from .dirty_bitmap import *  # noqa: F403
from .htab import *  # noqa: F403
from .limits import unchecked
from .mapped_ram import *  # noqa: F403
from .multifd import *  # noqa: F403
from .parameters import COUNTERS, PARAMETERS
from .premerge import *  # noqa: F403
from .ram import *  # noqa: F403
from .return_path import *  # noqa: F403
from .s390 import *  # noqa: F403
from .section import *  # noqa: F403
from .slirp import *  # noqa: F403
from .streams import CHANNELS, OVERVIEW
from .vfio import *  # noqa: F403

__all__ = ["PROTOCOL", "MainChannel", "Package", "ReturnPath", "unchecked"]
__all__ += block.__all__
__all__ += colo.__all__
__all__ += command.__all__
__all__ += configuration.__all__
__all__ += cpr.__all__
__all__ += dirty_bitmap.__all__
__all__ += htab.__all__
__all__ += mapped_ram.__all__
__all__ += multifd.__all__
__all__ += premerge.__all__
__all__ += ram.__all__
__all__ += return_path.__all__
__all__ += s390.__all__
__all__ += section.__all__
__all__ += slirp.__all__
__all__ += vfio.__all__

PROTOCOL = Protocol(
    name="qemu_migration",
    prefix="qmig",
    title="QEMU Live Migration",
    short="QMIG",
    channels=CHANNELS,
    parameters=PARAMETERS,
    counters=COUNTERS,
    over=S.over == 1,
    doc=OVERVIEW,
    whole="migration",
)
