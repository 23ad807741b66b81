# SPDX-License-Identifier: GPL-2.0-or-later
"""The intermediate representation as text, a target like any other."""
