# SPDX-License-Identifier: GPL-2.0-or-later
"""Protocols: Scapy layers and the stream tables that say in which order they come."""
