# SPDX-License-Identifier: GPL-2.0-or-later
"""The statements of lowered streams: what :mod:`dissector.ir.lower` makes and an executor prints.

Seven kinds of step over local variables, and :class:`Block`, a rule whose steps say whether it holds and where its
fields lie.  See :mod:`dissector.ir.lower` for what may stand in their expressions.
"""

from __future__ import annotations

from dataclasses import dataclass

from .expr import Const, Expr
from .model import Assign, Fact, Note, Rule, State
from .pdus import Field, Finding, Message

NOTHING = Const(0)


@dataclass(frozen=True, slots=True)
class Need:
    """That many octets from the cursor must be at hand, or the state waits."""

    octets: Expr


@dataclass(frozen=True, slots=True)
class Load:
    """``var`` = the unsigned integer of ``size`` octets at ``offset`` from the cursor."""

    var: str
    offset: Expr
    size: int
    little: bool = False


@dataclass(frozen=True, slots=True)
class LoadBytes:
    """``var`` = ``size`` octets at ``offset`` from the cursor."""

    var: str
    offset: Expr
    size: Expr


@dataclass(frozen=True, slots=True)
class Let:
    """``var`` = the value of an expression."""

    var: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Guard:
    """Leave the block (the rule does not hold) unless the condition does."""

    cond: Expr


@dataclass(frozen=True, slots=True)
class When:
    """Do ``steps`` if the condition holds, else set the variables of ``otherwise``."""

    cond: Expr
    steps: tuple[Step, ...]
    otherwise: tuple[Let, ...]


Step = Need | Load | LoadBytes | Let | Guard | When


@dataclass(frozen=True, slots=True)
class Placed:
    """A field with its place and value: ``offset`` and ``size`` in octets from the cursor, ``value`` as an expression.

    ``present`` None is always.  The value of a lazy field is None.
    """

    field: Field
    offset: Expr
    size: Expr
    value: Expr | None
    present: Expr | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """One rule of a state.  ``header`` octets are consumed, then ``payload`` octets are skipped by count."""

    rule: Rule
    steps: tuple[Step, ...]
    placed: tuple[Placed, ...] = ()
    header: Expr = NOTHING
    payload: Expr | None = None
    do: tuple[Assign, ...] = ()
    size: Expr | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[Note, ...] = ()
    info: Message | None = None
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Lowered:
    """A state: ``shared`` steps first, then the blocks in order."""

    state: State
    shared: tuple[Step, ...]
    blocks: tuple[Block, ...]
