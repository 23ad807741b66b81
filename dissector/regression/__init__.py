# SPDX-License-Identifier: GPL-2.0-or-later
"""Regression tests of captures: what the pytest plugin's fixtures are made of, for whoever wants it without pytest.

``same`` holds all executors against each other: ``decoder``, Scapy's ``layers``, and ``wireshark``; ``seen`` is what
each one's reading is brought to, ``compare`` the comparison, ``versions`` what is known to differ in which Wireshark.
``pdus`` is a capture to loop over, ``craft`` made-up streams through tshark, ``wire`` captures made to order.

Nothing is imported here: each part needs other things, and some of them are slow to import.
"""
