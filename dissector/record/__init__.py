# SPDX-License-Identifier: GPL-2.0-or-later
"""Records live migrations between two QEMUs: one capture and one sidecar each.

Arrows one way: ``scenario`` (what is to be shown, as data) and ``scratch`` (the folder of a recording) are below
``guest``, ``tls`` (files that QEMU wants), ``qemu`` (a running one), ``proxy``, ``sniffer``, ``network`` (the taps) and
``sidecar``; ``migrate`` does what a scenario says, ``run`` puts all of it together.

Needs the extra ``record`` of this distribution (QMP, and a writer of TOML).
"""
