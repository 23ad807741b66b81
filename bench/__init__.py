# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast it is: ``python -m bench`` (or ``./dev bench``) makes its inputs, measures, prints a table.

README.md says how to read it.  No test depends on a time; what a test must notice is counted in instructions.
"""
