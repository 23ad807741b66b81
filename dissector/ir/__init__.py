# SPDX-License-Identifier: GPL-2.0-or-later
"""The intermediate representation between Scapy layers and everything that is made of them.

``expr`` expressions and their reference meaning; ``simplify`` rewrites; ``model`` protocols, PDUs, streams;
``verify`` what a model must fulfil; ``lower`` streams as straight-line steps; ``dump`` a model as text.
Standard library only: no Scapy, no Lua, no protocol.
"""
