# SPDX-License-Identifier: GPL-2.0-or-later
"""Random expressions over three integers and two octet strings, for tests that compare two executors."""

from __future__ import annotations

from hypothesis import strategies as st

from dissector.ir.expr import Bin, Cmp, Const, Expr, If, InSet, Logic, Printable, Ref, Size, Un, UntilNul

INTS = tuple(Ref(("L", n), "int") for n in ("a", "b", "c"))
BYTES = tuple(Ref(("L", n), "bytes") for n in ("x", "y"))

# Small enough that no sum or product of a few leaves 2**53, where Lua's doubles stop being exact.
values = st.integers(0, 70000)
texts = st.binary(max_size=4) | st.sampled_from([b"ram", b"ram\0\0", b"ram\0a", b"pc.ram", b"\x7f", b"~"])
environments = st.fixed_dictionaries({"a": values, "b": values, "c": values, "x": texts, "y": texts})

_masks = st.sampled_from([1, 2, 8, 16, 0xF, 0xFF, 0xFFF, 0x21, 0x55AA])
_leaf = st.sampled_from(INTS) | st.builds(Const, st.integers(0, 300)) | st.builds(Size, st.sampled_from(BYTES))


def _ints(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    return (
        st.builds(Bin, st.sampled_from(["+", "-"]), inner, inner)
        | st.builds(Bin, st.just("*"), inner, st.builds(Const, st.integers(0, 9)))
        | st.builds(Bin, st.sampled_from(["//", "%"]), inner, st.builds(Const, st.integers(1, 4096)))
        | st.builds(Bin, st.just("&"), _leaf, st.builds(Const, _masks))
        | st.builds(Bin, st.sampled_from(["|", "^"]), _leaf, _leaf)
        | st.builds(Bin, st.sampled_from(["<<", ">>"]), _leaf, st.builds(Const, st.integers(0, 12)))
        | st.builds(If, conditions(_leaf), inner, inner)
    )


def conditions(ints: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    """Boolean expressions over *ints* and the octet strings."""
    compare = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    base = (
        st.builds(Cmp, compare, ints, ints)
        | st.builds(Cmp, st.sampled_from(["==", "!="]), st.sampled_from(BYTES), st.builds(Const, texts))
        | st.builds(
            Cmp, st.sampled_from(["==", "!="]), st.builds(UntilNul, st.sampled_from(BYTES)), st.builds(Const, texts)
        )
        | st.builds(InSet, ints, st.lists(st.integers(0, 20), max_size=5).map(tuple))
        | st.builds(Printable, st.sampled_from(BYTES))
    )

    def more(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        return st.builds(Logic, st.sampled_from(["and", "or"]), inner, inner) | st.builds(Un, st.just("not"), inner)

    return st.recursive(base, more, max_leaves=5)


integers = st.recursive(_leaf, _ints, max_leaves=6)
booleans = conditions(integers)
