# SPDX-License-Identifier: GPL-2.0-or-later
"""Wireshark Lua: ``printer`` prints expressions, ``steps`` straight-line code, ``fields`` the declarations,
``emit`` puts a plugin together with the protocol-independent ``runtime/*.lua``.
"""
