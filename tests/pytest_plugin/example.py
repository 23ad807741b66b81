# SPDX-License-Identifier: GPL-2.0-or-later
"""What somebody who only has the package installed writes; the README shows it, test_example.py runs it."""


def test_my_capture(dissect, migration, assert_same, wireshark, golden):
    assert_same("my.pcap.gz")  # decoder, Scapy and tshark, every PDU, every field
    assert list(dissect("my.pcap.gz").findings) == []
    assert dissect("my.pcap.gz").structure == golden  # pytest --update-golden
    assert migration("my.pcap.gz")["status"] == "completed"
    assert wireshark("my.pcap.gz", display_filter="qmig.rp.type == 3")[0].qmig.channel == "main"
