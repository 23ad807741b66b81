# SPDX-License-Identifier: GPL-2.0-or-later
"""The one fact about the distribution that pyproject.toml cannot say: where ``dissector.lua_out`` lives.

The generated plugins are committed in ``lua_out/`` at the root of the repository, where a person who only wants to
drop one into Wireshark finds them, and the wheel carries them as the package ``dissector.lua_out``.  setuptools can
map a package to another folder (``package_dir``), but only of packages that are *listed*, while every other package
of ours is to be *found*, so that a new one needs no line anywhere.  pyproject.toml has either a list or a search,
not both; a call can add the two.
"""

from pathlib import Path

from setuptools import find_packages, setup

GENERATED = "lua_out"

packages = find_packages(include=["dissector", "dissector.*"])
if Path(__file__).with_name(GENERATED).is_dir():
    packages.append(f"dissector.{GENERATED}")

setup(packages=packages, package_dir={f"dissector.{GENERATED}": GENERATED})
