# SPDX-License-Identifier: GPL-2.0-or-later
"""Layers of Scapy that Wireshark dissects itself, by the name of its dissector.

Only layers that mean the same octets in both: no layer that Scapy begins elsewhere than Wireshark does.
"""

from __future__ import annotations

from ...ir.packets import External
from ..values import class_name

DISSECTORS = {
    "scapy.layers.l2.Ether": "eth_withoutfcs",
    "scapy.layers.l2.Dot3": "eth_withoutfcs",
    "scapy.layers.l2.Dot1Q": "vlan",
    "scapy.layers.l2.ARP": "arp",
    "scapy.layers.l2.LLC": "llc",
    "scapy.layers.l2.STP": "stp",
    "scapy.layers.l2.GRE": "gre",
    "scapy.layers.inet.IP": "ip",
    "scapy.layers.inet.UDP": "udp",
    "scapy.layers.inet.TCP": "tcp",
    "scapy.layers.inet.ICMP": "icmp",
    "scapy.layers.inet6.IPv6": "ipv6",
    "scapy.layers.eap.EAP": "eap",
    "scapy.layers.eap.EAPOL": "eapol",
    "scapy.layers.sctp.SCTP": "sctp",
    "scapy.layers.dns.DNS": "dns",
    "scapy.layers.dhcp.BOOTP": "dhcp",
    "scapy.layers.ntp.NTP": "ntp",
    "scapy.layers.rtp.RTP": "rtp",
    "scapy.layers.snmp.SNMP": "snmp",
    "scapy.layers.vxlan.VXLAN": "vxlan",
    "scapy.layers.ppp.PPP": "ppp",
    "scapy.layers.dot11.Dot11": "wlan_withoutfcs",
    "scapy.layers.smb2.SMB2_Header": "smb2",
}


def external(cls: type) -> External | None:
    """What Wireshark has for a layer, or None."""
    name = class_name(cls)
    dissector = DISSECTORS.get(name)
    return External(name, dissector, cls.__name__) if dissector else None
