# SPDX-License-Identifier: GPL-2.0-or-later
"""Output targets: each a folder, each a class behind one line in :mod:`dissector.backends.base`."""
