# SPDX-License-Identifier: GPL-2.0-or-later
"""Octet strings as ``post_build(self, p, pay)`` puts them together: pieces of what was there, and numbers in between.

``p[:2] + struct.pack("!H", len(p)) + p[4:] + pay`` is four pieces: octets 0 and 1 of the layer, a number in two octets,
the layer from octet 4 on, and the payload.  Where the pieces of the layer follow each other without a gap, each number
stands in the place of a field, and that field is computed.

A position counts from the first octet of the layer, or, when it is negative, from behind its last.  As in Python, the
end of the layer as an end is None.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from dissector.ir.expr import Bin, Const, Expr, Ref

HEAD = Ref(("F", "#head"), "int")
PAY = Ref(("F", "#pay"), "int")


@dataclass(frozen=True, slots=True)
class Part:
    """Octets of the layer (``head``) or of its payload (``pay``)."""

    of: Literal["head", "pay"] = "head"
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """A number in *size* octets; *little* is None where the order makes no difference."""

    size: int
    value: Expr
    little: bool | None = None


Piece = Part | Put
Span = tuple[Expr, Expr]


@dataclass(frozen=True, slots=True)
class Octs(Expr):
    """An octet string; an expression, so that it can be assigned and decided about like any other."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Check(Expr):
    """A checksum of an octet string."""

    method: str
    pieces: tuple[Piece, ...]


class Uncut(ValueError):
    """A slice of which nobody can tell where it ends."""


LAYER, PAYLOAD = Octs((Part(),)), Octs((Part("pay"),))


def joined(a: Octs, b: Octs) -> Octs:
    """*a* and *b*; what belongs together is one piece again."""
    out = list(a.pieces)
    for piece in b.pieces:
        last = out[-1] if out else None
        if isinstance(last, Part) and isinstance(piece, Part) and last.of == piece.of and last.stop == piece.start:
            out[-1] = Part(last.of, last.start, piece.stop)
        elif isinstance(last, Put) and isinstance(piece, Put) and (whole := _whole(last, piece)) is not None:
            out[-1] = whole
        else:
            out.append(piece)
    return Octs(tuple(out))


def _whole(a: Put, b: Put) -> Put | None:
    """``chb(x >> 8) + chb(x & 255)`` as one number in two octets."""
    low = _left(b.value, "&", 255)
    high = _left(_left(a.value, "&", 255) or a.value, ">>", 8)
    return Put(2, low, little=False) if a.size == b.size == 1 and low is not None and high == low else None


def _left(e: Expr, op: str, value: int) -> Expr | None:
    """``x`` of ``x op value``."""
    return e.a if isinstance(e, Bin) and e.op == op and e.b == Const(value) else None


def size(octets: Octs) -> Expr:
    """How many octets there are."""
    known, whole = 0, []
    for piece in octets.pieces:
        if isinstance(piece, Put):
            known += piece.size
        elif (n := _known(piece)) is not None:
            known += n
        elif piece.start < 0:
            known -= piece.start
        else:
            known += (piece.stop or 0) - piece.start
            whole.append(HEAD if piece.of == "head" else PAY)
    out: Expr | None = None
    for e in whole:
        out = e if out is None else Bin("+", out, e)
    if out is None:
        return Const(known)
    return out if not known else Bin("+" if known > 0 else "-", out, Const(abs(known)))


def cut(octets: Octs, start: int, stop: int | None) -> Octs:
    """``octets[start:stop]``, where every piece but the last in reach has a known size."""
    if start >= 0 and (stop is None or stop >= 0):
        return Octs(tuple(_forward(octets.pieces, start, stop)))
    if len(octets.pieces) == 1 and isinstance(only := octets.pieces[0], Part) and only.stop is None:
        if start >= 0 and stop is not None:
            return Octs((Part(only.of, only.start + start, stop),))
        return Octs((Part(only.of, start, stop),))
    last = octets.pieces[-1]
    if start >= 0 and stop is not None and isinstance(last, Part) and last.stop is None and last.of == "head":
        return Octs((*_forward(octets.pieces[:-1], start, None), replace(last, stop=stop)))
    if start < 0 and stop is None and isinstance(last, Part) and last.stop is None and last.of == "head":
        return Octs((replace(last, start=start),))
    raise Uncut


def _forward(pieces: tuple[Piece, ...], start: int, stop: int | None) -> list[Piece]:
    out: list[Piece] = []
    at = 0
    for piece in pieces:
        known = _known(piece)
        first, end = max(start - at, 0), None if stop is None else stop - at
        if end is not None and end <= 0:
            break
        if known is not None and first >= known:
            at += known
            continue
        out.append(_trimmed(piece, first, end, known))
        if known is None:
            if end is None:
                out += pieces[pieces.index(piece) + 1 :]
            break
        at += known
    return out


def _known(piece: Piece) -> int | None:
    if isinstance(piece, Put):
        return piece.size
    return None if piece.stop is None or (piece.stop < 0) != (piece.start < 0) else piece.stop - piece.start


def _trimmed(piece: Piece, first: int, end: int | None, known: int | None) -> Piece:
    """A piece from *first* on, up to *end*."""
    if end is None or (known is not None and end >= known):
        end = known
    if isinstance(piece, Part):
        if piece.start < 0:
            raise Uncut
        return Part(piece.of, piece.start + first, piece.stop if end == known else piece.start + (end or 0))
    dropped = first, piece.size - (end or 0)
    if dropped == (0, 0):
        return piece
    if piece.little is None or dropped[1 if not piece.little else 0]:
        raise Uncut  # only octets that should be zero may be left out
    left = piece.size - sum(dropped)
    return Put(left, Bin("&", piece.value, Const(256**left - 1)), piece.little)


def placed(octets: Octs, whole: int | None) -> list[tuple[int, Put]] | None:
    """The numbers in a layer and where they stand, if *octets* is that layer, *whole* octets long, with numbers in it.

    None if octets are missing, twice, or elsewhere.
    """
    at: int | None = 0
    out: list[tuple[int, Put]] = []
    for piece in octets.pieces:
        if isinstance(piece, Part) and piece.of == "pay":
            if at not in (None, whole) or piece != Part("pay"):
                return None
            at = None
        elif at is None:
            return None
        elif isinstance(piece, Part):
            if piece.start != at and not (whole is not None and whole + piece.start == at):
                return None
            at = piece.stop
        else:
            out.append((at, piece))
            at = at + piece.size if at + piece.size != 0 else None
    return out if at in (None, whole) else None


def spans(pieces: tuple[Piece, ...], places: dict[Put, int]) -> tuple[Span, ...]:
    """The octets of *pieces* as spans; a number counts where it stands."""
    out: list[Span] = []
    for piece in pieces:
        if isinstance(piece, Put):
            start, stop = places[piece], places[piece] + piece.size
            span = (_position(start), _position(stop))
        elif piece.of == "pay":
            if piece != Part("pay"):
                raise Uncut
            span = (HEAD, Bin("+", HEAD, PAY))
        else:
            span = (_position(piece.start), HEAD if piece.stop is None else _position(piece.stop))
        if out and out[-1][1] == span[0]:
            out[-1] = (out[-1][0], span[1])
        else:
            out.append(span)
    return tuple(out)


def _position(at: int) -> Expr:
    return Const(at) if at >= 0 else Bin("-", HEAD, Const(-at))
