# SPDX-License-Identifier: GPL-2.0-or-later
"""Wireshark dissectors generated from Scapy layers, and what it takes to trust them."""
