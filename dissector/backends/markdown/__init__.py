# SPDX-License-Identifier: GPL-2.0-or-later
"""Documentation: ``words`` turns docstrings and expressions into Markdown, ``diagram`` draws states, ``streams`` and
``pdus`` write the chapters, ``emit`` puts the page together.
"""
