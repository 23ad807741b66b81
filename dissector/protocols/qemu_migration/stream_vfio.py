# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: VFIO devices as tables
# scapy.contrib.status = skip
"""The body of a VFIO device's section, and what a multifd packet has of one.

QEMU's messages begin with the name that the device has on the destination; that is not on the wire, and left out here.
"""

from __future__ import annotations

from ...declare import E, F, Finding, Rule, S, State, both, iif, peek, text
from .device_constants import (
    BEYOND,
    VFIO_DEVICE_STATE_PACKET_HEAD,
    VFIO_DEVICE_STATE_PACKET_VER_CURRENT,
    VFIO_MIG_FLAG_HIGH,
    VfioDeviceStateFlag,
    VfioMigFlag,
)
from .findings import error
from .vfio import (
    VfioConfigData,
    VfioConfigLoadReady,
    VfioConfigState,
    VfioDataState,
    VfioDeviceConfig,
    VfioEndOfState,
    VfioInitDataSent,
    VfioSetupState,
    VfioStateData,
    VfioStatePacket,
)

TAG_HIGH, TAG = peek(0, 4), peek(4, 4)
SMALL = TAG_HIGH == 0
"""The tag ahead has no upper half."""


def is_tag(flag: VfioMigFlag) -> E:
    """The tag ahead is this one."""
    return both(TAG_HIGH == VFIO_MIG_FLAG_HIGH, peek(4, 4) == int(flag))


def wrong_tag(name: str, words: str) -> tuple[Finding, Finding]:
    """A tag that QEMU does not take, in hexadecimal without leading zeros: of one half, of two."""
    return error(name, f"{words} 0x%x", TAG), error(name, f"{words} 0x%x%08x", TAG_HIGH, TAG)


def fault_rules(findings: tuple[Finding, Finding]) -> tuple[Rule, Rule]:
    """What is left."""
    return Rule(when=SMALL, fault=findings[0]), Rule(fault=findings[1])


def record(pdu: type, flag: VfioMigFlag, goto: str = "footer") -> Rule:
    """A tag alone."""
    return Rule(pdu, when=is_tag(flag), goto=goto)


TOO_MUCH = error("vfio_size", "0x%x%08x octets of device state: more than there can be", peek(8, 4), peek(12, 4))

END_RULE = record(VfioEndOfState, VfioMigFlag.END_OF_STATE)

VFIO = State(
    "vfio",
    Rule(when=both(is_tag(VfioMigFlag.DEV_DATA_STATE), peek(8, 4) >= BEYOND >> 32), fault=TOO_MUCH),
    Rule(VfioDataState, when=is_tag(VfioMigFlag.DEV_DATA_STATE), info=text("data %d B", F.size)),
    END_RULE,
    record(VfioInitDataSent, VfioMigFlag.DEV_INIT_DATA_SENT),
    record(VfioSetupState, VfioMigFlag.DEV_SETUP_STATE, "vfio_setup"),
    record(VfioConfigState, VfioMigFlag.DEV_CONFIG_STATE, "vfio_config"),
    record(VfioConfigLoadReady, VfioMigFlag.DEV_CONFIG_LOAD_READY),
    *fault_rules(wrong_tag("vfio_tag", "Unknown tag")),
    doc="The section of a VFIO device: records.",
)

VFIO_SETUP = State(
    "vfio_setup",
    END_RULE,
    *fault_rules(wrong_tag("vfio_setup", "SETUP STATE: EOS not found")),
    doc="Behind DEV_SETUP_STATE.",
)

VFIO_CONFIG = State(
    "vfio_config",
    Rule(VfioDeviceConfig, goto="vfio_config_end"),
    doc="Behind DEV_CONFIG_STATE: up to END_OF_STATE.",
)

VFIO_CONFIG_END = State(
    "vfio_config_end",
    END_RULE,
    *fault_rules(wrong_tag("vfio_config_end", "Failed loading device config space, end flag incorrect")),
    doc="Behind the configuration.",
)

STATES = (VFIO, VFIO_SETUP, VFIO_CONFIG, VFIO_CONFIG_END)

# ------------------------------------------------------------------------------------------------------------- multifd

HEAD = VFIO_DEVICE_STATE_PACKET_HEAD
INDEX_MAX = 0xFFFFFFFF
TAG_SIZE = 8
CONFIG_FLAG = int(VfioDeviceStateFlag.CONFIG_STATE)

SHORT_PACKET = error("vfio_packet_short", f"packet too short at %u (min is {HEAD})", S.state_left)
BAD_VERSION = error(
    "vfio_packet_version",
    "packet has unknown version %u",
    F.version,
    when=F.version != VFIO_DEVICE_STATE_PACKET_VER_CURRENT,
)
BAD_INDEX = error("vfio_packet_index", "packet index is invalid", when=F.idx == INDEX_MAX)

PACKET_RULE = Rule(
    VfioStatePacket,
    when=S.state_left >= HEAD,
    goto="vfio_packet_data",
    do=(
        (S.state_config, iif(F.version == VFIO_DEVICE_STATE_PACKET_VER_CURRENT, F.flags & CONFIG_FLAG, 0)),
        (S.state_left, S.state_left - HEAD),
    ),
    findings=(BAD_VERSION, BAD_INDEX),
    info=text("VFIO state %d", F.idx),
)

VFIO_PACKET = State(
    "vfio_packet",
    PACKET_RULE,
    Rule(fault=SHORT_PACKET),
    doc="The data of a DEVICE_STATE packet: a region.  Nothing but VFIO has sent any, up to 11.1.",
)

NO_CONFIG_STATE = wrong_tag("vfio_packet_config", "config state: invalid header")

VFIO_PACKET_DATA = State(
    "vfio_packet_data",
    Rule(VfioStateData, when=S.state_config == 0, goto="vfio_packet_end"),
    Rule(
        VfioConfigState,
        when=both(S.state_left >= 2 * TAG_SIZE, is_tag(VfioMigFlag.DEV_CONFIG_STATE)),
        goto="vfio_packet_config",
        do=((S.state_left, S.state_left - 2 * TAG_SIZE),),
    ),
    *fault_rules(NO_CONFIG_STATE),
    doc="Behind the head of a packet of state.",
)

VFIO_PACKET_CONFIG = State(
    "vfio_packet_config",
    Rule(VfioConfigData, goto="vfio_packet_end"),
    doc="The configuration in a packet of state.",
)

VFIO_PACKET_END = State(
    "vfio_packet_end",
    record(VfioEndOfState, VfioMigFlag.END_OF_STATE, "vfio_packet_end"),
    *fault_rules(wrong_tag("vfio_config_end", "Failed loading device config space, end flag incorrect")),
    doc="The last octets of a packet of state.",
)

PACKET_STATES = (VFIO_PACKET, VFIO_PACKET_DATA, VFIO_PACKET_CONFIG, VFIO_PACKET_END)
