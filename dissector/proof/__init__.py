# SPDX-License-Identifier: GPL-2.0-or-later
"""The proof that a generated plugin reads what Scapy reads.

``build`` and ``samples`` make octets for a class, ``record`` says what Scapy reads in them and where.
"""
