# SPDX-License-Identifier: GPL-2.0-or-later
"""What Scapy reads in a datagram, with the place of everything that it reads.

Scapy keeps values and forgets where they stood.  For the time of :func:`recording` two things are different:

* The octets know their place: :class:`Octets` is ``bytes`` whose slices remember where in the datagram they begin.
  Whatever a field cuts out and hands to a packet inside it is therefore still placed, without a look into that field.
* ``Packet.do_dissect`` and the ``getfield`` of lists and of padded fields are replaced by the same statements with
  notes between them.  What a field leaves is the end of what it was given, so its length tells where it begins even
  when a field made new octets of it.

An attempt of Scapy's that ends in an exception is part of the truth too: Scapy then shows the octets as ``Raw`` and
says nothing, and a plugin says that they are cut short.  :class:`Reading` has what was read before (``broken``).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scapy import fields as f
from scapy.config import conf
from scapy.packet import NoPayload, Packet, Padding, Raw

if TYPE_CHECKING:
    from collections.abc import Iterator

NOWHERE = -1


class Octets(bytes):
    """Octets with the place of the first in the datagram."""

    at: int

    def __new__(cls, octets: bytes, at: int = NOWHERE) -> Octets:  # noqa: PYI034 - slices of it are Octets, too
        """Place *octets*."""
        self = super().__new__(cls, octets)
        self.at = at
        return self

    def __getitem__(self, index: Any) -> Any:
        """Give one octet as a number, or some of them, placed if they follow each other."""
        found = super().__getitem__(index)
        if not isinstance(index, slice):
            return found
        start, _, step = index.indices(len(self))
        return Octets(found, self.at + start) if step == 1 and self.at >= 0 else found


@dataclass(slots=True)
class Value:
    """A field as it was read: bits ``begin`` to ``end`` of the datagram, where they count in the order read.

    ``swapped`` is (first octet, number) of the group of octets that was reversed before, or None.  ``elements`` are
    those of a list of values, ``packets`` those that the field holds; ``whole`` is where the field ends with padding.
    """

    name: str
    value: Any
    field: Any
    begin: int
    end: int
    whole: int
    swapped: tuple[int, int] | None = None
    elements: list[Value] | None = None
    packets: list[Reading] | None = None


@dataclass(slots=True)
class Reading:
    """A packet as it was read: its fields from octet ``start`` to ``header``, its payload up to ``stop``.

    ``broken`` says why Scapy gave up; then ``values`` is what it had, and ``tried`` what it was at in the last field.
    """

    layer: type[Packet]
    start: int
    header: int
    stop: int
    values: list[Value]
    payload: Reading | None = None
    padding: tuple[int, int] | None = None
    broken: str = ""
    tried: list[Reading] = field(default_factory=list)


@dataclass(slots=True)
class Attempt:
    """One call of ``do_dissect``."""

    packet: Packet
    start: int
    end: int
    values: list[Value] = field(default_factory=list)
    header: int = NOWHERE
    broken: str = ""
    elements: list[Value] | None = None
    inner: int | None = None
    swapped: tuple[int, int] | None = None
    taken: bool = False


class Recorder:
    """The attempts in the order in which they began."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.of: dict[int, Attempt] = {}

    def begin(self, packet: Packet, octets: bytes) -> Attempt:
        """Note that *packet* is being dissected."""
        start = octets.at if isinstance(octets, Octets) else NOWHERE
        attempt = Attempt(packet, start, start + len(octets) if start >= 0 else NOWHERE)
        self.attempts.append(attempt)
        self.of[id(packet)] = attempt
        return attempt


_recorder: Recorder | None = None


def bit_of(rest: Any, end: int) -> int:
    """Give the place, in bits, at which *rest* (octets, or octets and bits of the first that are read) begins."""
    octets: bytes
    bits: int
    octets, bits = rest[:2] if isinstance(rest, tuple) else (rest, 0)
    return (end - len(octets)) * 8 + bits


def placed(rest: Any, end: int) -> Any:
    """Give *rest*, the last octets before *end*, with their place."""
    if isinstance(rest, tuple):
        return placed(rest[0], end), *rest[1:]
    if isinstance(rest, Octets) or end < 0 or not isinstance(rest, bytes | bytearray):
        return rest
    return Octets(bytes(rest), end - len(rest))


def do_dissect(self: Packet, s: bytes) -> bytes:
    """``scapy.packet.Packet.do_dissect`` of Scapy 2.8.0, with notes."""
    assert _recorder is not None
    attempt = _recorder.begin(self, s)
    _raw = s
    self.raw_packet_cache_fields = {}
    try:
        for fld in self.fields_desc:
            before, attempt.elements, attempt.inner = s, None, None
            s, fval = fld.getfield(self, s)
            s = placed(s, attempt.end)
            if fld.isconditional and fval is None:
                continue
            note(attempt, fld, fval, before, s)
            if (fld.islist or fld.holds_packets or fld.ismutable) and fval is not None:
                self.raw_packet_cache_fields[fld.name] = self._raw_packet_cache_field_value(fld, fval, copy=True)
            self.fields[fld.name] = fval
            if not s and (fld.ismayend or (fval is not None and fld.isconditional and fld.fld.ismayend)):
                break
        self.raw_packet_cache = _raw[: -len(s)] if s else _raw
    except Exception as error:
        attempt.broken = f"{type(error).__name__}: {error}"
        raise
    self.explicit = 1
    attempt.header = attempt.end - len(s) if attempt.end >= 0 else NOWHERE
    return s


def note(attempt: Attempt, fld: Any, value: Any, before: Any, after: Any) -> None:
    """Note what *fld* made of the octets between *before* and *after*."""
    end = attempt.end
    if end < 0:
        begin = stop = whole = NOWHERE
    else:
        begin, whole = bit_of(before, end), bit_of(after, end)
        stop = whole if attempt.inner is None else attempt.inner * 8
    if not isinstance(before, tuple):
        attempt.swapped = reversed_group(fld, attempt.packet, begin // 8)
    attempt.values.append(
        Value(fld.name, value, fld, begin, stop, whole, attempt.swapped, attempt.elements),
    )
    if not isinstance(after, tuple):
        attempt.swapped = None


def reversed_group(fld: Any, packet: Packet, at: int) -> tuple[int, int] | None:
    """Give the octets that a bit field reverses before it reads, as (first, number)."""
    fld = bare(fld, packet)
    if isinstance(fld, f._BitField) and fld.rev and fld.tot_size > 1:
        return at, fld.tot_size
    return None


def bare(fld: Any, packet: Packet) -> Any:
    """Take the wrappers off a field."""
    while isinstance(fld, f._FieldContainer):
        fld = fld._find_fld_pkt(packet) if isinstance(fld, f.MultipleTypeField) else fld.fld
    return fld


def pad_getfield(self: Any, pkt: Packet, s: bytes) -> tuple[bytes, Any]:
    """``PadField.getfield``, with a note where the field ends without its padding."""
    remain, val = self.fld.getfield(pkt, s)
    attempt = _recorder.of.get(id(pkt)) if _recorder else None
    if attempt is not None and isinstance(s, Octets) and not isinstance(remain, tuple):
        attempt.inner = s.at + len(s) - len(remain)
    padlen = self.padlen(len(s) - len(remain), pkt)
    return remain[padlen:], val


def list_getfield(self: Any, pkt: Packet, s: Any) -> Any:
    """``FieldListField.getfield``, with notes on the elements."""
    attempt = _recorder.of.get(id(pkt)) if _recorder else None
    c = len_pkt = None
    if self.length_from is not None:
        len_pkt = self.length_from(pkt)
    elif self.count_from is not None:
        c = self.count_from(pkt)
    val: list[Any] = []
    noted: list[Value] = []
    ret = b""
    if len_pkt is not None:
        s, ret = s[:len_pkt], s[len_pkt:]
    first = s[0] if isinstance(s, tuple) else s
    end = first.at + len(first) if isinstance(first, Octets) else NOWHERE
    while s:
        if c is not None:
            if c <= 0:
                break
            c -= 1
        before = s
        s, v = self.field.getfield(pkt, s)
        s = placed(s, end)
        val.append(v)
        begin, stop = (bit_of(before, end), bit_of(s, end)) if end >= 0 else (NOWHERE, NOWHERE)
        noted.append(Value(self.name, v, self.field, begin, stop, stop))
        if len(val) > (self.max_count or conf.max_list_count):
            raise f.MaximumItemsCount(self.name)
    if attempt is not None:
        attempt.elements = noted
    if isinstance(s, tuple):
        s, bn = s
        return (s + ret, bn), val
    return s + ret, val


@contextlib.contextmanager
def recording() -> Iterator[Recorder]:
    """Have every packet of Scapy's recorded that is dissected meanwhile.  Not for two threads at a time."""
    global _recorder  # noqa: PLW0603 - what is patched in has nobody else to ask
    kept = Packet.do_dissect, f.PadField.getfield, f.FieldListField.getfield
    outer, _recorder = _recorder, Recorder()
    Packet.do_dissect, f.PadField.getfield, f.FieldListField.getfield = do_dissect, pad_getfield, list_getfield
    try:
        yield _recorder
    finally:
        Packet.do_dissect, f.PadField.getfield, f.FieldListField.getfield = kept
        _recorder = outer


def read(layer: type[Packet], octets: bytes) -> Reading:
    """Let Scapy read *octets* as *layer*; what it cannot read is ``broken``, and no exception."""
    packet: Packet | None = None
    failed = ""
    with recording() as recorder:
        try:
            packet = layer(Octets(octets, 0))
        except Exception as error:  # noqa: BLE001 - a layer fails as it likes
            failed = f"{type(error).__name__}: {error}"
        tree = Tree(recorder)
        if packet is not None and not failed:
            return tree.reading(packet)
        if not recorder.attempts:
            return Reading(layer, 0, NOWHERE, len(octets), [], broken=failed)
        return tree.broken(recorder.attempts[0], failed)


def readings(reading: Reading) -> Iterator[Reading]:
    """Give *reading* and all inside it, but nothing that Scapy gave up."""
    yield reading
    for value in reading.values:
        for each in (value, *(value.elements or ())):
            for packet in each.packets or ():
                yield from readings(packet)
    if reading.payload:
        yield from readings(reading.payload)


class Tree:
    """Puts attempts together: those whose packets are there, and those that were given up."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def reading(self, packet: Packet) -> Reading:
        """Give the reading of a packet that Scapy has."""
        attempt = self.recorder.of.get(id(packet))
        if attempt is None:
            return self.unread(packet)
        attempt.taken = True
        values = [self.value(v) for v in settled(attempt)]
        result = Reading(type(packet), attempt.start, attempt.header, attempt.end, values)
        self.behind(result, packet)
        return result

    def unread(self, packet: Packet) -> Reading:
        """Give the reading of a packet that was made and not dissected: no octets, or ``Raw(load=...)``."""
        load = packet.fields.get("load") if isinstance(packet, Raw) else None
        start = load.at if isinstance(load, Octets) else NOWHERE
        stop = start + len(load) if load is not None and start >= 0 else NOWHERE
        values = [Value("load", load, packet.get_field("load"), start * 8, stop * 8, stop * 8)] if load else []
        return self.with_attempt(Reading(type(packet), start, stop, stop, values))

    def behind(self, result: Reading, packet: Packet) -> None:
        """Add payload and padding, which end the packet; padding that was given back to a list is gone already."""
        payload = packet.payload
        result.stop = result.header
        if isinstance(payload, Padding):
            start = payload.load.at if isinstance(payload.load, Octets) else NOWHERE
            result.padding = (start, start + len(payload.load))
        elif not isinstance(payload, NoPayload):
            result.payload = self.reading(payload)
            if isinstance(payload, Raw):
                self.with_attempt(result.payload)
            result.stop = result.payload.stop

    def with_attempt(self, raw: Reading) -> Reading:
        """Add, to octets without a meaning, what Scapy tried to read in them before."""
        for attempt in self.recorder.attempts:
            if self.is_given_up(attempt) and (attempt.start, attempt.end) == (raw.start, raw.stop) and raw.start >= 0:
                attempt.taken = True
                raw.tried.append(self.broken(attempt, attempt.broken))
                break
        return raw

    def is_given_up(self, attempt: Attempt) -> bool:
        """Tell whether an attempt led to nothing."""
        return not attempt.taken and not isinstance(attempt.packet, Raw | NoPayload)

    def broken(self, attempt: Attempt, why: str) -> Reading:
        """Give what was read before Scapy gave up."""
        attempt.taken = True
        values = [self.value(v) for v in settled(attempt) if v.value is not None]
        result = Reading(type(attempt.packet), attempt.start, attempt.header, attempt.end, values, broken=why)
        at = values[-1].whole // 8 if values else attempt.start
        for other in self.recorder.attempts:
            if self.is_given_up(other) and other.start >= at and other.end <= attempt.end:
                result.tried.append(self.broken(other, other.broken))
        return result

    def value(self, value: Value) -> Value:
        """Give a value with the packets that it holds; one with a point in it as the number that it stands for."""
        inner = value.field
        while not isinstance(inner, f.Field) and hasattr(inner, "fld"):
            inner = inner.fld
        if isinstance(inner, f.FixedPointField) and isinstance(value.value, int):
            value.value = value.value / 2**inner.frac_bits
        found = value.value if isinstance(value.value, list) else [value.value]
        if found and all(isinstance(p, Packet) for p in found):
            value.packets = [self.reading(p) for p in found]
            for each in value.packets:
                if each.start < 0 and not each.values and value.begin >= 0:
                    each.start = each.header = each.stop = value.begin // 8
        elif isinstance(value.value, list) and value.elements is None and bare_holds(value.field):
            value.packets = []
        for element in value.elements or ():
            self.value(element)
        return value


def settled(attempt: Attempt) -> list[Value]:
    """Give the values of an attempt; a field that waits for others of its group is set by the last of them."""
    for value in attempt.values:
        if value.value is None:
            value.value = attempt.packet.fields.get(value.name)
    return attempt.values


def bare_holds(fld: Any) -> bool:
    """Tell a field that holds packets."""
    return bool(getattr(fld, "holds_packets", 0))
