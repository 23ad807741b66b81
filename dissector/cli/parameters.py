# SPDX-License-Identifier: GPL-2.0-or-later
"""A protocol's parameters as options, and the values that were given as arguments for the decoder.

No option is written by hand: a parameter that is added to the protocol is an option here, a preference in Wireshark
and an argument of the decoder.  A choice may be given as its number or as its label ("--footers on"); a label that
goes on behind a comma may be cut there ("automatic").
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dissector.declare import Parameter

PREFIX = "parameter_"


def add_parameters(parser: argparse.ArgumentParser, parameters: Iterable[Parameter]) -> None:
    """Declare an option for each parameter."""
    group = parser.add_argument_group("what the wire does not tell")
    for parameter in parameters:
        words = ", ".join(short(label) for _, label in parameter.choices)
        group.add_argument(
            "--" + parameter.name.replace("_", "-"),
            dest=PREFIX + parameter.name,
            type=reader(parameter),
            default=parameter.default,
            metavar="VALUE" if parameter.choices else "N",
            help=f"{parameter.label}: {words or 'any number'}. {parameter.doc}".replace("%", "%%"),
        )


def given(options: argparse.Namespace, parameters: Iterable[Parameter]) -> dict[str, int]:
    """Give the value of each parameter."""
    return {parameter.name: getattr(options, PREFIX + parameter.name) for parameter in parameters}


def short(label: str) -> str:
    """Give a label without what explains it."""
    return label.partition(",")[0]


def reader(parameter: Parameter) -> Callable[[str], int]:
    """Give the function that reads a value of *parameter*."""
    known = {word: value for value, label in parameter.choices for word in (str(value), label, short(label))}

    def read(text: str) -> int:
        if text in known:
            return known[text]
        if not parameter.choices and text.isdecimal():
            return int(text)
        words = ", ".join(short(label) for _, label in parameter.choices) or "any number from 0 on"
        raise argparse.ArgumentTypeError(f"{text!r} is none of: {words}")

    return read
