# SPDX-License-Identifier: GPL-2.0-or-later
"""Pairs: a callable and its meaning, as :func:`dissector.ir.dump.show` writes it.  For the names see conftest.py."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from dissector.declare import F
from dissector.errors import Refused
from dissector.frontend.callables import Translation, translate
from dissector.frontend.oracle import check
from dissector.ir.dump import show
from dissector.ir.expr import walk
from dissector.ir.pdus import SourceRef

Case = Callable[[str], tuple[Translation, ModuleType]]
MakeModule = Callable[..., ModuleType]

PACKET = [
    # fields
    ("fn = lambda pkt: pkt.len", "F.len"),
    ("fn = lambda whatever: whatever.len - 4", "F.len - 4"),
    ("fn = lambda p: p.underlayer.x.y", "F.underlayer.x.y"),
    ("fn = lambda p: p.items[2].size", "F.items.[2].size"),
    ("fn = lambda p: p.items[-1].size", "F.items.[-1].size"),
    ("fn = lambda p: p.getfieldval('len')", "F.len"),
    ("fn = lambda p: getattr(p, 'len')", "F.len"),
    ("fn = lambda p: p.underlayer.getfieldval('len')", "F.underlayer.len"),
    ("fn = lambda p: len(p.text)", "len(F.text)"),
    ("fn = lambda p: len(p)", "len(F)"),
    ("fn = lambda p: p.kind", "F.type"),
    ("fn = lambda p: p.getfieldval('kind')", "F.type"),
    # arithmetic
    ("fn = lambda p: -p.len + 2 * (p.type - 1) % 3", "-F.len + 2 * (F.type - 1) % 3"),
    ("fn = lambda p: p.len << 3 | ~p.type & 0xf ^ +p.len >> 1", "F.len << 3 | ~F.type & 15 ^ F.len >> 1"),
    ("fn = lambda p: p.len * HEADER + 2 * 3", "F.len * 4 + 6"),
    ("fn = lambda p: p.len + (p.type == 1)", "F.len + (1 if F.type == 1 else 0)"),
    ("fn = lambda p: p.len + True", "F.len + 1"),
    ("fn = lambda p: p.len & 2**16 - 1", "F.len & 0xffff"),
    ("fn = lambda p: abs(p.len)", "F.len if F.len >= 0 else -F.len"),
    ("fn = lambda p: min(p.len, 5)", "F.len if F.len <= 5 else 5"),
    ("fn = lambda p: max(1, p.len, 5)", "(1 if 1 >= F.len else F.len) if (1 if 1 >= F.len else F.len) >= 5 else 5"),
    ("fn = lambda p: int(p.len)", "F.len"),
    ("fn = lambda p: int(p.len > 3)", "1 if F.len > 3 else 0"),
    # truth
    ("fn = lambda p: not p.len", "not F.len"),
    ("fn = lambda p: bool(p.len)", "not not F.len"),
    ("fn = lambda p: True if p.len else False", "not not F.len"),
    ("fn = lambda p: p.len and p.type", "F.type if F.len else F.len"),
    ("fn = lambda p: p.len or 7", "F.len if F.len else 7"),
    ("fn = lambda p: p.len > 3 and p.type > 4", "F.len > 3 and F.type > 4"),
    ("fn = lambda p: p.len > 3 and p.type", "F.type if F.len > 3 else False"),
    ("fn = lambda p: p.type == 1 or p.type == 2 or p.type in (3, 4)", "F.type in {1, 2, 3, 4}"),
    ("fn = lambda p: p and p.len", "F.len"),
    ("fn = lambda p: False and conf.debug or p.len", "F.len"),
    ("fn = lambda p: HEADER and p.len", "F.len"),
    ("fn = lambda p: p.len if p.type else 0", "F.len if F.type else 0"),
    ("fn = lambda p: p.len if HEADER == 4 else conf.debug", "F.len"),
    # comparisons
    ("fn = lambda p: 1 < p.len <= p.type < 9", "1 < F.len and F.len <= F.type and F.type < 9"),
    ("fn = lambda p: p.len is None or p.len is not None", "F.len is None or not F.len is None"),
    ("fn = lambda p: p.len == None", "F.len is None"),
    ("fn = lambda p: None != p.len", "not F.len is None"),
    ("fn = lambda p: (p.len > 3) == True", "(F.len > 3) == True"),
    ("fn = lambda p: p.len == True", "F.len == 1"),
    ("fn = lambda p: (p.len > 3) == p.type", "(1 if F.len > 3 else 0) == F.type"),
    ("fn = lambda p: (p.len > 3) is True", "(F.len > 3) == True"),
    ("fn = lambda p: (p.type, p.len) == (1, 2)", "F.type == 1 and F.len == 2"),
    ("fn = lambda p: p.text == b'ab'", "F.text == b'ab'"),
    ("fn = lambda p: p.type == Kind.PONG", "F.type == 2"),
    ("fn = lambda p: p.type == Strange.PING.value", "F.type == 1"),
    # membership
    ("fn = lambda p: p.type in [1, 5]", "F.type in {1, 5}"),
    ("fn = lambda p: p.type not in KINDS", "not F.type in {1, 5, 9}"),
    ("fn = lambda p: p.type in SIZES", "F.type in {1, 2, 3}"),
    ("fn = lambda p: p.type in SIZES.keys()", "F.type in {1, 2, 3}"),
    ("fn = lambda p: p.type in (Kind.PING, Kind.PONG)", "F.type in {1, 2}"),
    ("fn = lambda p: p.type in (1, p.len)", "F.type == 1 or F.type == F.len"),
    ("fn = lambda p: p.type in range(3, 1000)", "not F.type is None and F.type >= 3 and F.type < 1000"),
    ("fn = lambda p: p.type in (True, 3)", "F.type in {1, 3}"),
    # tables
    ("fn = lambda p: SIZES[p.type]", "4 if F.type in {1, 2} else 8 if F.type == 3 else None"),
    ("fn = lambda p: SIZES.get(p.type, 0)", "4 if F.type in {1, 2} else 8 if F.type == 3 else 0"),
    ("fn = lambda p: {1: 4}.get(p.type, p.len)", "4 if F.type == 1 else F.len"),
    ("fn = lambda p: SIZES[Kind.PING] + p.len", "4 + F.len"),
    ("fn = lambda p: p.WORDS[p.type]", "2 if F.type == 1 else 4 if F.type == 2 else None"),
    ("fn = lambda p: (4, 8)[1] + p.len", "8 + F.len"),
    # octets
    ("fn = lambda p: p.text[0:2] == b'ok'", "len(F.text) >= 2 and F.text.[0] == 111 and F.text.[1] == 107"),
    ("fn = lambda p: p.text[1:4] == b'ok'", "len(F.text) == 3 and F.text.[1] == 111 and F.text.[2] == 107"),
    ("fn = lambda p: p.text[0:1] == b'no'", "False"),
    ("fn = lambda p: p.text[:2] != b''", "not len(F.text) <= 0"),
    ("fn = lambda p: ord(p.text[3:4])", "F.text.[3]"),
    ("fn = lambda p: struct.unpack('!H', p.text[1:3])[0]", "F.text.[1] << 8 | F.text.[2]"),
    ("fn = lambda p: struct.unpack('<BH', p.text[0:3])[1]", "F.text.[2] << 8 | F.text.[1]"),
    ("fn = lambda p: struct.calcsize('!HI') + p.len", "6 + F.len"),
    # sets of flags
    ("fn = lambda p: p.flags & 1", "F.flags & 1"),
    ("fn = lambda p: p.flags & 'SA'", "F.flags & 18"),
    ("fn = lambda p: p.flags == 'S'", "F.flags == 2"),
    ("fn = lambda p: p.flags in ('S', 'SA')", "F.flags in {2, 18}"),
    ("fn = lambda p: p.flags.S", "F.flags & 2 == 2"),
    ("fn = lambda p: p.flags.SA", "F.flags & 18 == 18"),
    ("fn = lambda p: p.more & 'one+th-ree'", "F.more & 5"),
    ("fn = lambda p: p.more.th_ree", "F.more & 4 == 4"),
    ("fn = lambda p: 'two' in p.more", "F.more & 2 != 0"),
    ("fn = lambda p: p.flags.value - 1", "F.flags - 1"),
    ("fn = lambda p: int(p.flags) - 1", "F.flags - 1"),
    ("fn = lambda p: p.underlayer.flags.S", "F.underlayer.flags.S"),
    # what the layer knows
    ("fn = lambda p: p.UNIT * p.len", "4 * F.len"),
    ("fn = lambda p: Block.UNIT * p.len", "4 * F.len"),
    ("fn = lambda p: p.body", "F.len - 4"),
    ("fn = lambda p: p.half()", "F.len // 2"),
    ("fn = lambda p: p.half(n=8)", "F.len // 8"),
    ("fn = lambda p: p.words(p.len)", "F.len * 4"),
    ("fn = lambda p: p.units(p.len) + Block.units(3)", "F.len * 4 + 12"),
    ("fn = lambda p: p.seen", "F.seen"),
    ("fn = lambda p: p.__class__.UNIT", "4"),
    ("fn = lambda p: isinstance(p, Block) and p.len", "F.len"),
    ("fn = lambda p: isinstance(p, (Other, Raw)) or p.len", "F.len"),
    ("fn = lambda p: hasattr(p, 'len') and p.len", "F.len"),
    ("fn = lambda p: getattr(p, 'len', 9)", "F.len"),
    ("fn = lambda p: getattr(p, 'level', 9)", "9"),
    ("fn = lambda p: hasattr(p, 'level') and conf.debug", "False"),
    ("class LAYER(Block):\n    len = 3  # a default, Scapy says\nfn = lambda p: p.len", "F.len"),
    ("class LAYER(Block):\n    STRICT = False\nfn = lambda p: p.STRICT or p.len", "F.len"),
]

CALLS = [
    ("fn = lambda p: padded(p.len)", "F.len + -F.len % 4"),
    ("fn = lambda p: padded(p.len, to=8)", "F.len + -F.len % 8"),
    ("fn = lambda p, n=3: p.len + n", "F.len + 3"),
    ("def make(n):\n    return lambda p: p.len + n\nfn = make(7)", "F.len + 7"),
    ("fns = [lambda p: p.type == i for i in (1, 2)]\nfn = fns[0]", "F.type == 2"),
    ("fns = [lambda p, i=i: p.type == i for i in (1, 2)]\nfn = fns[0]", "F.type == 1"),
    ("def make(strict):\n    return lambda p: p.len if strict else p.type\nfn = make(True)", "F.len"),
    ("def size(n, p):\n    return p.len - n\nfn = functools.partial(size, 4)", "F.len - 4"),
    ("def size(p, n):\n    return p.len - n\nfn = functools.partial(size, n=4)", "F.len - 4"),
    (
        "def size(a, b, p):\n    return p.len - a * b\nfn = functools.partial(functools.partial(size, 4), 5)",
        "F.len - 20",
    ),
    ("class Sized(StrLenField):\n    def size(self, p):\n        return p.len\nfn = Sized('x', b'').size", "F.len"),
    (
        (
            "class Sized(StrLenField):\n    __slots__ = ['n']\n    def __init__(self, n):\n        self.n = n\n"
            "    def size(self, p):\n        return p.len - self.n\nfn = Sized(3).size"
        ),
        "F.len - 3",
    ),
    ("fn = staticmethod(lambda p: p.len)", "F.len"),
    ("fn = lambda *a: a[0].len", "F.len"),
    ("def all_of(*a, **k):\n    return padded(*a, **k)\nfn = lambda p: all_of(p.len)", "F.len + -F.len % 4"),
    ("class A:\n    fn = lambda p: p.__len\nfn = A.fn", "F._A__len"),
    ("class A:\n    def fn(p):\n        __n = p.len\n        return __n + 1\nfn = A.fn", "F.len + 1"),
    ("def fn(p):\n    from base import HEADER as n\n    return p.len - n", "F.len - 4"),
]

STATEMENTS = [
    ("def fn(p):\n    'words'\n    pass\n    return p.len", "F.len"),
    ("def fn(p):\n    pass", "None"),
    ("def fn(p):\n    n = m = p.len\n    n += 1\n    n: int = n * m\n    return n", "(F.len + 1) * F.len"),
    ("def fn(p):\n    a, (b, c) = p.len, (p.type, 3)\n    return a + b + c", "F.len + F.type + 3"),
    ("def fn(p):\n    p = p.underlayer\n    return p.len", "F.underlayer.len"),
    ("def fn(p):\n    if p.type:\n        return 1\n    return 2", "1 if F.type else 2"),
    (
        "def fn(p):\n    if p.type == 1:\n        return 4\n    elif p.type == 2:\n        return 8\n",
        "4 if F.type == 1 else 8 if F.type == 2 else None",
    ),
    (
        "def fn(p):\n    n = 1\n    if p.type:\n        n = 2\n    if p.len:\n        n += 1\n    return n",
        "(2 if F.type else 1) + 1 if F.len else 2 if F.type else 1",
    ),
    (
        "def fn(p):\n    if p.type:\n        if p.len:\n            return 1\n    return 2",
        "(1 if F.len else 2) if F.type else 2",
    ),
    ("def fn(p):\n    if p.len > 9:\n        warning('long %i', p.len)\n    return p.len", "F.len"),
    ("def fn(p):\n    log_runtime.info('%r', p)\n    return p.len", "F.len"),
    ("def fn(p):\n    if HEADER == 5:\n        while 1: pass\n    return p.len", "F.len"),
    (
        "def fn(p):\n    if p.type:\n        cls = Raw\n    else:\n        cls = Other\n    return cls",
        "'scapy.packet.Raw' if F.type else 'base.Other'",
    ),
]

ROLES = [
    ("fn = lambda p, x: x + p.len\nROLE = 'adjust'", "x + F.len"),
    ("fn = lambda p, x=1: x + p.len\nROLE = 'adjust'", "x + F.len"),
    ("fn = lambda x: x + 1\nROLE = 'adjust'", "x + 1"),
    ("fn = lambda p, S: S\nROLE = 'adjust'", "S_"),
    (
        "fn = lambda pkt, lst, cur, remain: Raw if len(lst) < pkt.len and cur.len else None\nROLE = 'next_cls_cb'",
        "'scapy.packet.Raw' if len(lst) < F.len and cur.len else None",
    ),
    ("fn = lambda *a: len(a[3]) and Raw\nROLE = 'next_cls_cb'", "'scapy.packet.Raw' if len(remain) else len(remain)"),
    ("fn = lambda p: Raw\nROLE = 'next_cls_cb'", "'scapy.packet.Raw'"),
    (
        "def fn(s, **kw):\n    cls = {1: Other}.get(s[0], Raw)\n    return cls(s, **kw)\nROLE = 'cls'",
        "'base.Other' if s.[0] == 1 else 'scapy.packet.Raw'",
    ),
    (
        "def fn(s):\n    if len(s) < 1 or s[0] == 0:\n        return Raw(s)\n    return Other(s)\nROLE = 'cls'",
        "'scapy.packet.Raw' if len(s) < 1 or s.[0] == 0 else 'base.Other'",
    ),
    (
        (
            "def fn(s):\n    cls = {1: Other}.get(s[0], Raw)\n    if cls is Raw and s[1]:\n        cls = Other\n"
            "    return cls(s)\nROLE = 'cls'"
        ),
        (
            "'base.Other' if ('base.Other' if s.[0] == 1 else 'scapy.packet.Raw') == 'scapy.packet.Raw' and s.[1]"
            " else 'base.Other' if s.[0] == 1 else 'scapy.packet.Raw'"
        ),
    ),
    (
        "fn = lambda s, _parent: Raw(s) if _parent.len else Other(s)\nROLE = 'cls'",
        "'scapy.packet.Raw' if F.len else 'base.Other'",
    ),
]


@pytest.mark.parametrize(("source", "expected"), [*PACKET, *CALLS, *STATEMENTS, *ROLES])
def test_meaning(case: Case, source: str, expected: str) -> None:
    """A callable means this, and the original agrees."""
    translation, m = case(source)

    assert expected == show(translation.expr)
    assert None is check(m.fn, translation, m.ROLE, m.LAYER, n=60, none_rate=0.2).mismatch


class TestTranslation:
    def test_source(self, case: Case) -> None:
        """A translation knows where it comes from."""
        translation, _ = case("\nfn = lambda pkt: pkt.len")

        assert SourceRef("layer.py", 3, "lambda pkt: pkt.len") == translation.source

    def test_arguments(self, case: Case) -> None:
        """The scopes stand in the order of the arguments, the packet being F."""
        assert ("F", "x") == case("fn = lambda pkt, x: x\nROLE = 'adjust'")[0].args
        assert ("F", "a", "b", "c") == case("fn = lambda p, a, b, c: None\nROLE = 'next_cls_cb'")[0].args
        assert ("F", "lst", "cur", "remain") == case("fn = lambda p, *a: None\nROLE = 'next_cls_cb'")[0].args
        assert ("data",) == case("fn = lambda data: Raw\nROLE = 'cls'")[0].args

    def test_classes(self, case: Case) -> None:
        """The layers that a selector chooses from can be looked up by the names in it."""
        translation, m = case("fn = lambda p: Raw if p.len else Other")

        assert {"scapy.packet.Raw": m.Raw, "base.Other": m.Other} == dict(translation.classes)

    def test_absent(self, case: Case) -> None:
        """What the layer does not have is remembered."""
        assert frozenset({"level"}) == case("fn = lambda p: getattr(p, 'level', 0)")[0].absent

    def test_expression_object(self) -> None:
        """An expression object is its own translation."""
        assert "F.len - 4" == show(translate(F.len - 4).expr)

    def test_without_a_layer(self, module: MakeModule) -> None:
        """Without a layer every attribute is a field."""
        m = module("fn = lambda pkt, n=3: pkt.UNIT * n\n")

        assert "F.UNIT * 3" == show(translate(m.fn).expr)

    def test_without_a_layer_nothing_is_known(self, module: MakeModule) -> None:
        """Without a layer no question about the packet has an answer."""
        m = module("fn = lambda pkt: isinstance(pkt, int)\n")

        with pytest.raises(Refused, match="asks for the type"):
            translate(m.fn)

    def test_per_layer(self, case: Case) -> None:
        """The same callable means different things on different layers."""
        source = "class Small(Block):\n    UNIT = 2\nfn = lambda p: p.UNIT"
        _, m = case(source)

        assert ["2", "4"] == [show(translate(m.fn, layer).expr) for layer in (m.Small, m.Block)]

    def test_order_does_not_depend_on_hashing(self, case: Case) -> None:
        """Members of a set are sorted, or the output would change from run to run."""
        translation, _ = case("SET = {'b', 'a', 'c'}\nfn = lambda p: p.text in SET")

        assert "F.text in {'a', 'b', 'c'}" == show(translation.expr)

    def test_many_decisions_stay_small(self, case: Case) -> None:
        """Decisions in a row are merged, not multiplied."""
        steps = "".join(f"    if p.type == {i}:\n        n += {i}\n" for i in range(7))
        translation, _ = case(f"def fn(p):\n    n = 0\n{steps}    return n")

        assert 600 > len(list(walk(translation.expr)))
