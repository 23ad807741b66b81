# SPDX-License-Identifier: GPL-2.0-or-later
"""The errors that this package raises on purpose.

Every error answers three questions, in this order and in lower case: where (a file and line, a capture and offset, a
program), what is wrong there, and what would be right.  The first two are always known; the hint is left out when
there is nothing better to say than the error itself.  The command line prints ``str(error)`` and nothing else, so a
message must make sense to somebody who does not read Python.

A caller that wants to survive anything we refuse catches ``DissectorError``.  Whatever else escapes is a bug of ours.
"""


class DissectorError(Exception):
    """Something that a person can put right: where it is, what it is, and a hint."""

    def __init__(self, where: str, what: str, hint: str = "") -> None:
        """Keep the three parts apart, for callers that print JSON."""
        super().__init__(where, what, hint)
        self.where = where
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        """Give ``where: what`` and, on its own line, the hint."""
        text = f"{self.where}: {self.what}"
        return f"{text}\nhint: {self.hint}" if self.hint else text


class TsharkError(DissectorError):
    """tshark is missing, unfit, or did not do what it was asked."""


class CaptureError(DissectorError):
    """A capture that cannot be read: missing, not a capture at all, or damaged."""


class Refused(DissectorError):
    """A layer says something that the intermediate representation cannot: refused, never guessed."""


class CraftError(DissectorError):
    """What is to be built is something that a sender must not send."""


class ProofError(DissectorError):
    """A proof that cannot be made: a profile or a packet for it that is not what it should be."""
