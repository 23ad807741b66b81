# SPDX-License-Identifier: GPL-2.0-or-later
"""Callables that are refused, with the whole message.  For the names see conftest.py."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from dissector.errors import DissectorError, Refused
from dissector.frontend.callables import Translation

Case = Callable[[str], tuple[Translation, ModuleType]]

LOOP = "say it with one expression, or with the states of a stream (dissector.declare)"
PLAIN = "say it with the packet's fields, constants and operators, or with F, S and peek()"
CONF = "a dissector has one fixed form: make it a constant of the layer, or a parameter (P.name)"
STATE = "keep what must be remembered in a register of the stream (S.name), or make it a constant of the layer"
PACKET_HINT = "a callable sees the fields read so far (pkt.name), pkt.underlayer and pkt.parent"
FLAGS = "take the number with int(), or test a flag with &"
FUNCTION = "write a function or a lambda in a source file"
RAISE = "return a length that cannot be, or test it in a condition"
TOP = "define it at the top of the module"

REFUSED = [
    ("fn = lambda p: p.flags == None", "layer.py:2: compares a set of flags with something that is no constant", FLAGS),
    (
        "fn = lambda p: p.flags != p.len",
        "layer.py:2: compares a set of flags with something that is no constant",
        FLAGS,
    ),
    ("fn = lambda p: p.len & p.flags", "layer.py:2: combines a set of flags with what may be None", FLAGS),
    (
        "fn = lambda p: (p.flags if p.len else 0) - 1",
        "layer.py:2: adds to a set of flags, which sets or takes away bits",
        FLAGS,
    ),
    (
        "def fn(p):\n    from socket import AF_INET6\n    return p.type == AF_INET6",
        "layer.py:3: 'AF_INET6' comes from socket and differs between machines",
        CONF,
    ),
    ("fn = lambda p: [x for x in p.items]", "layer.py:2: uses a comprehension", PLAIN),
    ("fn = lambda p: sum(x.len for x in p.items)", "layer.py:2: uses a generator", PLAIN),
    ("fn = lambda p: any(p.len == x for x in (1, 2))", "layer.py:2: uses a generator", PLAIN),
    ("fn = lambda p: (n := p.len) + n", "layer.py:2: uses an assignment inside an expression (:=)", PLAIN),
    ('fn = lambda p: f"{p.len}"', "layer.py:2: uses a formatted string", PLAIN),
    ("fn = lambda p: (lambda q: q.len)(p)", "layer.py:2: uses a function made at run time", PLAIN),
    ("fn = lambda p: p.len / 2", "layer.py:2: divides into a fraction (/)", "use // for whole numbers"),
    ("fn = lambda p: p.len * 0.5", "layer.py:2: uses a fraction", "use whole numbers and //"),
    ("fn = lambda p: p.len ** 2", "layer.py:2: uses the operator **", PLAIN),
    ("fn = lambda p: round(p.len)", "layer.py:2: calls round()", PLAIN),
    ("fn = lambda p: math.ceil(p.len)", "layer.py:2: calls ceil()", PLAIN),
    ("fn = lambda p: conf.debug", "layer.py:2: reads scapy's configuration (conf)", CONF),
    ('fn = lambda p: p.len and conf.contribs["X"]["y"]', "layer.py:2: reads scapy's configuration (conf)", CONF),
    (
        'CONTRIB = conf.contribs.setdefault("X", {1: 2}); fn = lambda p: CONTRIB[p.len]',
        "layer.py:2: reads scapy's configuration (CONTRIB)",
        CONF,
    ),
    (
        'fn = lambda p: sys.byteorder == "little"',
        "layer.py:2: 'byteorder' comes from sys and differs between machines",
        CONF,
    ),
    (
        'from sys import byteorder; fn = lambda p: byteorder == "little"',
        "layer.py:2: 'byteorder' comes from sys and differs between machines",
        CONF,
    ),
    (
        "from scapy.consts import LINUX; fn = lambda p: LINUX",
        "layer.py:2: 'LINUX' comes from scapy.consts and differs between machines",
        CONF,
    ),
    (
        "fn = lambda p: VERBOSE and p.len",
        "layer.py:2: 'VERBOSE' is a switch (False) that can be turned at run time",
        CONF,
    ),
    ("fn = lambda p: COUNTER + p.len", "layer.py:2: 'COUNTER' is changed at run time (base.py:27)", STATE),
    ("fn = lambda p: REGISTRY[p.type]", "layer.py:2: 'REGISTRY' is changed at run time (base.py:24)", STATE),
    ("fn = lambda p: p.type in REGISTRY", "layer.py:2: 'REGISTRY' is changed at run time (base.py:24)", STATE),
    ("fn = lambda p: p.mode", "layer.py:2: Block.mode is changed at run time (base.py:55)", STATE),
    ("fn = lambda p: Block.mode", "layer.py:2: Block.mode is changed at run time (base.py:55)", STATE),
    ("fn = lambda p: MANY[p.type]", "layer.py:2: looks up a table of 65 entries", "at most 64"),
    ("fn = lambda p: p.haslayer(Raw)", "layer.py:2: calls pkt.haslayer()", PACKET_HINT),
    ("fn = lambda p: p[Raw].len", "layer.py:2: takes an item of the packet", PACKET_HINT),
    ("fn = lambda p: Raw in p", "layer.py:2: looks into the packet (in)", PACKET_HINT),
    (
        "fn = lambda p: p.text.decode()",
        "layer.py:2: calls the method .decode() of a value that is read from the wire",
        PLAIN,
    ),
    (
        'fn = lambda p: p.fields.get("len")',
        "layer.py:2: calls the method .get() of a value that is read from the wire",
        PLAIN,
    ),
    (
        'fn = lambda p: "len" in p.fields',
        "layer.py:2: looks into an expression (in)",
        "`in` is for a list of constants",
    ),
    ("fn = lambda p: p.unknown()", "layer.py:2: calls pkt.unknown()", PACKET_HINT),
    ("fn = lambda p: p == 1", "layer.py:2: the packet is not a number, a truth value, octets or text", PLAIN),
    ("fn = lambda p: p", "layer.py:2: the packet is not a number, a truth value, octets or text", PLAIN),
    ("fn = lambda p: p.half", "layer.py:2: takes the method .half as a value", PLAIN),
    (
        "fn = lambda p: isinstance(p.underlayer, Raw)",
        "layer.py:2: asks for the type of something that is read from the wire",
        PACKET_HINT,
    ),
    (
        'fn = lambda p: hasattr(p.underlayer, "len")',
        "layer.py:2: asks whether there is an attribute 'len'",
        PACKET_HINT,
    ),
    ('fn = lambda p: hasattr(p, "seen")', "layer.py:2: asks whether there is an attribute 'seen'", PACKET_HINT),
    ("fn = lambda p: getattr(p, p.text)", "layer.py:2: calls getattr() with a name that is not a constant", PLAIN),
    (
        'fn = lambda p: getattr(p.underlayer, "len", 0)',
        "layer.py:2: asks whether there is an attribute 'len'",
        PACKET_HINT,
    ),
    (
        'fn = lambda p, x: hasattr(p, "level"); ROLE = "adjust"',
        "layer.py:2: asks whether there is an attribute 'level'",
        PACKET_HINT,
    ),
    ("fn = lambda p: p.type is HEADER", "layer.py:2: compares identities (is)", "use ==; `is` is for None"),
    (
        "fn = lambda p: p.type == Strange.PING",
        "layer.py:2: Strange.PING is no integer and equals no field",
        "derive the enumeration from enum.IntEnum",
    ),
    (
        "fn = lambda p: p.type in (Strange.PING, 2)",
        "layer.py:2: looks into a tuple (in)",
        "`in` is for a list of constants",
    ),
    ('fn = lambda p: p.text in "abc"', "layer.py:2: looks into an expression (in)", "`in` is for a list of constants"),
    ("fn = lambda p: p.text[1:]", "layer.py:2: takes a slice without constant ends", "write data[0:2]"),
    ("fn = lambda p: p.text[0:2]", "layer.py:2: a slice is not a number, a truth value, octets or text", PLAIN),
    (
        "fn = lambda p: p.text[p.len]",
        "layer.py:2: takes an item of an expression",
        "items are taken by a constant number",
    ),
    (
        "fn = lambda p: p.text[0:2] == p.text",
        "layer.py:2: compares a slice with an expression",
        "compare it with constant octets",
    ),
    ('fn = lambda p: p.text[::2] == b"ab"', "layer.py:2: takes a slice without constant ends", "write data[0:2]"),
    ("fn = lambda p: p.flags - 1", "layer.py:2: adds to a set of flags, which sets or takes away bits", FLAGS),
    ("fn = lambda p: (p.flags & 6) + 1", "layer.py:2: adds to a set of flags, which sets or takes away bits", FLAGS),
    ("fn = lambda p: -p.flags", "layer.py:2: does arithmetic on something that is no number", FLAGS),
    ('fn = lambda p: p.flags & "Q"', "layer.py:2: 'Q' names no flags of this field", PLAIN),
    ('fn = lambda p: p.flags == "SX"', "layer.py:2: 'SX' names no flags of this field", PLAIN),
    ("fn = lambda p: p.more.four", "layer.py:2: 'four' names no flags of this field", PLAIN),
    ('fn = lambda p: p.text + "x"', "layer.py:2: does arithmetic on something that is no number", PLAIN),
    ('fn = lambda p: "%d" % p.len', "layer.py:2: does arithmetic on something that is no number", PLAIN),
    ('fn = lambda p: int("4")', "layer.py:2: makes a number of a text", PLAIN),
    ("fn = lambda p: int(p.text)", "layer.py:2: makes a number of a text", PLAIN),
    ("fn = lambda p: str(p.len)", "layer.py:2: calls str()", PLAIN),
    ("fn = lambda p: SIZES", "layer.py:2: a dict is not a number, a truth value, octets or text", PLAIN),
    ("fn = lambda p: SIZES.pop(p.type)", "layer.py:2: 'SIZES' is changed at run time (layer.py:2)", STATE),
    ("fn = lambda p: missing + 1", "layer.py:2: 'missing' is not defined", PLAIN),
    ("fn = lambda p: math.missing", "layer.py:2: module math has no 'missing'", PLAIN),
    ("fn = lambda p: Block.missing", "layer.py:2: class Block has no attribute 'missing'", PLAIN),
    ("fn = lambda p: Block.body", "layer.py:2: Block.body is a property of instances", PLAIN),
    ("fn = lambda p: deep(p.len)", "base.py:34: functions call each other more than 8 deep", PLAIN),
    (
        "fn = lambda p: padded()",
        "layer.py:2: calls padded() with the wrong arguments",
        PLAIN,
    ),
    ("fn = lambda p: min(p.items)", "layer.py:2: takes the extreme of a list of unknown length", PLAIN),
    (
        'fn = lambda p: struct.unpack("!h", p.text[0:2])[0]',
        "layer.py:2: unpacks more than unsigned integers of a given byte order",
        PLAIN,
    ),
    (
        'fn = lambda p: struct.unpack("!H", p.text[0:4])[0]',
        "layer.py:2: unpacks something else than a slice of that size",
        'write unpack("!H", data[0:2])',
    ),
    (
        'fn = lambda p: struct.unpack("H", p.text[0:2])[0]',
        "layer.py:2: unpacks more than unsigned integers of a given byte order",
        PLAIN,
    ),
    (
        'fn = lambda p: struct.calcsize("l")',
        "layer.py:2: asks for a size that differs between machines",
        "start the format with ! or <",
    ),
    ('fn = lambda p: struct.calcsize("!Z")', "layer.py:2: '!Z' is no format: bad char in struct format", PLAIN),
    ("fn = lambda p: range(p.len)", "layer.py:2: makes a range whose ends are not constants", PLAIN),
    ("fn = lambda p: padded(*p.items)", "layer.py:2: unpacks an expression (*)", PLAIN),
    ("fn = lambda p: padded(**p.items)", "layer.py:2: unpacks an expression (**)", PLAIN),
    ("fn = lambda p: {p.type: 1}[1]", "layer.py:2: a table whose entries are not constants", PLAIN),
    (
        "fn = lambda p: Raw(p.text).load",
        "layer.py:2: makes a packet of its own",
        "return the class; Scapy makes the packet",
    ),
    ("fn = lambda p: p.len(3)", "layer.py:2: calls pkt.len()", PACKET_HINT),
    ("fn = lambda p: (p.len + 1).x", "layer.py:2: reads .x of an expression", PLAIN),
    (
        'fn = lambda p, q: p.len; ROLE = "cls"',
        "layer.py:2: calls <lambda>() with the wrong arguments",
        PLAIN,
    ),
    ("fn = lambda: 3", "layer.py:2: calls <lambda>() with the wrong arguments", PLAIN),
    (
        "fn = len",
        "base.Block: calls something that is no function written in Python (builtin_function_or_method)",
        FUNCTION,
    ),
    ("fn = Raw", "base.Block: calls something that is no function written in Python (Packet_metaclass)", FUNCTION),
    ("fn = 3", "base.Block: calls something that is no function written in Python (int)", FUNCTION),
    ("def fn(p):\n    for x in p.items:\n        return x", "layer.py:3: loops (for)", LOOP),
    ("def fn(p):\n    n = 0\n    while n < p.len:\n        n += 1\n    return n", "layer.py:4: loops (while)", LOOP),
    (
        "def fn(p):\n    try:\n        return p.len\n    except Exception:\n        return 0",
        "layer.py:3: catches errors (try)",
        "test for what would go wrong instead",
    ),
    ("def fn(p):\n    with open('x') as f:\n        return p.len", "layer.py:3: uses a context (with)", PLAIN),
    ("def fn(p):\n    raise ValueError", "layer.py:3: raises an error", RAISE),
    ("def fn(p):\n    assert p.len\n    return 1", "layer.py:3: asserts", RAISE),
    ("def fn(p):\n    global COUNTER\n    COUNTER = 1\n    return 1", "layer.py:3: changes a global variable", STATE),
    ("def fn(p):\n    del p.len\n    return 1", "layer.py:3: deletes something", STATE),
    ("def fn(p):\n    def inner(): return 1\n    return inner()", "layer.py:3: defines a function inside", TOP),
    ("def fn(p):\n    class A: pass\n    return 1", "layer.py:3: defines a class inside", TOP),
    ("def fn(p):\n    p.len = 3\n    return 3", "layer.py:3: stores into an object", STATE),
    (
        "def fn(p):\n    p.items.append(3)\n    return 3",
        "layer.py:3: does something for its effect",
        "a callable gives a value and changes nothing",
    ),
    (
        "def fn(p):\n    print(p)\n    return 3",
        "layer.py:3: does something for its effect",
        "a callable gives a value and changes nothing",
    ),
    ("def fn(p):\n    yield p.len", "layer.py:2: fn() is a generator or a coroutine", "return the value"),
    ("async def fn(p):\n    return p.len", "layer.py:2: fn() is a generator or a coroutine", "return the value"),
    (
        "def fn(p):\n    if p.len:\n        n = 1\n    return n",
        "layer.py:5: 'n' may have no value here",
        "assign it on every path",
    ),
    (
        "def fn(p):\n    return HEADER\n    HEADER = 3",
        "layer.py:3: 'HEADER' may have no value here",
        "assign it on every path",
    ),
    ("def fn(p):\n    a, b = p.items\n    return a", "layer.py:3: unpacks an expression", PLAIN),
    (
        "def fn(p):\n    match p.len:\n        case 1: return 1",
        "layer.py:3: has a statement that is not understood (Match)",
        PLAIN,
    ),
    (
        "def fn(p):\n    from base import nothing\n    return nothing",
        "layer.py:3: imports 'nothing', which is not there",
        PLAIN,
    ),
    (
        "def fn(p):\n    from base import COUNTER as n\n    return n",
        "layer.py:3: 'COUNTER' is changed at run time (base.py:27)",
        STATE,
    ),
    (
        "def fn(p):\n    n = p.len\n" + "    n = n + n\n" * 12 + "    return n",
        "layer.py:12: unfolds into too large an expression",
        PLAIN,
    ),
    (
        (
            "def make():\n    n = 1\n    def fn(p):\n        return p.len + n\n"
            "    def turn():\n        nonlocal n\n        n = 2\n    return fn\nfn = make()"
        ),
        "layer.py:5: 'n' is changed at run time (layer.py:7)",
        STATE,
    ),
    (
        "class A:\n    def __call__(self, p): return 1\nfn = A()",
        "base.Block: calls something that is no function written in Python (A)",
        FUNCTION,
    ),
    (
        "class State: pass\nstate = State()\nstate.n = 3\nfn = lambda p: state.n",
        "layer.py:5: reads .n of a State that lives at run time",
        STATE,
    ),
    (
        "@functools.lru_cache\ndef fn(p):\n    return p.len",
        "base.Block: calls something that is no function written in Python (_lru_cache_wrapper)",
        FUNCTION,
    ),
    ("@functools.lru_cache\ndef size(n):\n    return n\nfn = lambda p: size(p.len)", "layer.py:5: calls size", PLAIN),
    (
        "class LAYER(Block):\n    def getfield_and_val(self, n):\n        return 1\nfn = lambda p: getattr(p, 'x', 0)",
        "layer.py:5: asks whether there is an attribute 'x'",
        PACKET_HINT,
    ),
    (
        "import collections\nT = collections.defaultdict(int, {1: 2})\nfn = lambda p: T[p.type]",
        "layer.py:4: takes an item of a defaultdict",
        "items are taken by a constant number",
    ),
    (
        "import collections\nT = collections.defaultdict(int, {1: 2})\nfn = lambda p: T.get(p.type)",
        "layer.py:4: reads .get of a defaultdict that lives at run time",
        STATE,
    ),
    (
        "class T(tuple):\n    def __contains__(self, x): return True\nT = T((1, 2))\nfn = lambda p: p.type in T",
        "layer.py:5: looks into a T (in)",
        "`in` is for a list of constants",
    ),
    (
        "fn = lambda p: p.type in range(0, 1000000000000, 2)",
        "layer.py:2: looks into 500000000000 constants",
        "at most 256",
    ),
    (
        "fn = lambda p: p.type in MANYS\nMANYS = tuple(range(300))",
        "layer.py:2: looks into 300 constants",
        "at most 256",
    ),
    ("T = {(1, 2): 3}\nfn = lambda p: T[p.type]", "layer.py:3: looks up a table whose keys are no constants", PLAIN),
    (
        "T = {1: [2]}\nfn = lambda p: T[p.type]",
        "layer.py:3: a list is not a number, a truth value, octets or text",
        PLAIN,
    ),
    (
        "class A(Block):\n    size = functools.cached_property(lambda s: 3)\nLAYER = A\nfn = lambda p: p.size",
        "layer.py:5: takes the method .size as a value",
        PLAIN,
    ),
    (
        "class A:\n    SIZE = 3\n    def turn(self):\n        A.SIZE = 4\nfn = lambda p: A.SIZE",
        "layer.py:6: A.SIZE is changed at run time (layer.py:5)",
        STATE,
    ),
    (
        "class A:\n    STRICT = True\nfn = lambda p: A.STRICT and p.len",
        "layer.py:4: 'A.STRICT' is a switch (True) that can be turned at run time",
        CONF,
    ),
    (
        "LIMIT = None\nfn = lambda p: LIMIT or p.len",
        "layer.py:3: 'LIMIT' is a switch (None) that can be turned at run time",
        CONF,
    ),
]


@pytest.mark.parametrize(("source", "message", "hint"), REFUSED)
def test_message(case: Case, source: str, message: str, hint: str) -> None:
    """Where, what, and what would do."""
    with pytest.raises(Refused) as caught:
        case(source)

    assert f"{message}\nhint: {hint}" == str(caught.value)


def test_refused_is_an_error_of_ours() -> None:
    """Whoever catches our errors catches refusals."""
    assert issubclass(Refused, DissectorError)


DOUBLING = "def fn(p):\n    n = p.len\n" + "    n = n + n\n" * 300 + "    return n"
RETURNS = "".join(f"    if p.a{i}:\n        if p.b{i}:\n            return {i}\n" for i in range(100))
HELPERS = "".join(f"def f{i}(n):\n    return f{i + 1}(n + n) + f{i + 1}(n * n)\n" for i in range(7))


@pytest.mark.parametrize(
    "source",
    [
        DOUBLING,
        f"def fn(p):\n{RETURNS}    return 0",
        f"def f7(n):\n    return n\n{HELPERS}fn = lambda p: f0(p.len)",
        "fn = lambda p: " + " + ".join(["p.len"] * 800),
        "fn = lambda p: " + "not " * 800 + "p.len",
    ],
    ids=["doubling", "returns", "helpers", "summands", "depth"],
)
def test_what_explodes_is_refused(case: Case, source: str) -> None:
    """No callable keeps the generator busy for long: neither doubling, nor many returns, nor depth."""
    with pytest.raises(Refused, match=r"unfolds into too large|nested deeper than"):
        case(source)
