# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections come and go: which of them speak the protocol, and which of those belong together.

A :class:`Session` is told what happens on the wire, connection by connection, under keys of the caller's choice.

**What a connection is** is told by its first octets.  Each direction's are held against ``Channel.first`` of every
channel, in order; a condition that looks further than there are octets waits for more, and no later one is tried
meanwhile.  The direction that matches is *forward*, whoever opened the connection, and the end that did not send it is
the *destination*.  Until then everything is kept, up to a limit; a connection that matches nothing is reported once
and then ignored.  A caller who knows better names the channel: then the client's octets are the forward direction.

**What belongs together** is told by the destination.  The first channel of the protocol is the one that a conversation
has once, so one more of it begins another.  Every other channel is taken into the conversation at its destination
while a connection of that is open, and begins one otherwise, since channels may be opened in any order, or where the
channel's ``apart`` tells by its first octets that it cannot be of that conversation; one that *joins* is only
recognised where there is a conversation, open or not.  All streams of a conversation share its
registers of that scope, and its facts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import DissectorError
from ..ir.evaluate import NeedMore, evaluate
from ..ir.model import Channel, Protocol, Stream
from .compile import compile_stream
from .events import Builder, Event, Recognised, Source, Unrecognised
from .machine import Data, Machine
from .registers import Registers, nearest, settle

Endpoint = tuple[str, int]

NOBODY: Endpoint = ("", -1)

HELD = 1 << 16
"""Octets of a connection that are kept until it is recognised."""

SHOWN = 32


@dataclass(slots=True)
class Conversation:
    """All connections that belong together."""

    number: int
    destination: Endpoint
    registers: Registers = field(default_factory=Registers, repr=False)
    facts: dict[str, Any] = field(default_factory=dict)
    """What the streams have said about the whole; the last value stays."""
    connections: list[Connection] = field(default_factory=list, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether anything can still be said in it."""
        return not all(c.is_closed for c in self.connections)

    @property
    def machines(self) -> Iterator[Machine]:
        """The decoders of all directions, in the order in which their connections were recognised."""
        for c in self.connections:
            yield from (m for m in c.machines if m is not None)

    @property
    def channels(self) -> dict[str, int]:
        """Name of a channel -> how many connections it had."""
        return _total({c.channel.name: 1} for c in self.connections if c.channel)

    @property
    def counts(self) -> dict[str, int]:
        """Counter name -> total over all channels."""
        return _total(m.counts for m in self.machines)

    @property
    def pdus(self) -> dict[str, int]:
        """Name of a PDU -> how many of them there were."""
        return _total(m.pdus for m in self.machines)


@dataclass(slots=True)
class Held:
    """Something that happened before the connection was recognised; *data* is octets, or the length of a gap."""

    direction: int
    data: bytes | int
    frame: int
    time_ns: int


@dataclass(slots=True)
class Connection:
    """One connection.  ``machines`` are by direction: 0 is from the client to the server."""

    key: Hashable
    client: Endpoint
    server: Endpoint
    channel: Channel | None = None
    conversation: Conversation | None = None
    forward: int = 0
    machines: list[Machine | None] = field(default_factory=lambda: [None, None], repr=False)
    offsets: list[int] = field(default_factory=lambda: [0, 0])
    """How far each direction has come, gaps included."""
    ended: list[bool] = field(default_factory=lambda: [False, False])
    ignored: bool = False
    held: list[Held] = field(default_factory=list, repr=False)
    first: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()), repr=False)
    """The first octets of each direction, until it is recognised."""

    @property
    def is_closed(self) -> bool:
        """Whether both directions have ended."""
        return all(self.ended)

    @property
    def destination(self) -> Endpoint:
        """The end that did not send the forward stream."""
        return self.client if self.forward else self.server


class Session:
    """Decodes all connections of a protocol; the arguments are those of :class:`~dissector.decode.machine.Machine`."""

    def __init__(
        self,
        protocol: Protocol,
        parameters: Mapping[str, int] | None = None,
        *,
        builder: Builder | None = None,
        events: bool | Collection[str] = True,
        payload: bool = False,
        max_payload: int = 1 << 20,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.protocol = protocol
        self.parameters = settle(protocol.parameters, parameters or {})
        self.conversations: list[Conversation] = []
        self._reported = events
        self._options = {"events": events, "payload": payload, "max_payload": max_payload}
        self._builder, self._on_event = builder, on_event
        self._connections: dict[Hashable, Connection] = {}
        self._latest: dict[Endpoint, Conversation] = {}
        self._channels = {c.name: c for c in protocol.channels}
        self._initial = Registers()
        for s in protocol.streams:
            self._initial.declare(s.registers, self.parameters)

    def begins(self, octets: bytes) -> bool:
        """Whether a conversation can begin with a connection of which these are the first octets."""
        try:
            return self._channel_of(octets, NOBODY) is not None
        except NeedMore:
            return False

    # ------------------------------------------------------------------------------------------- what happens

    def opened(
        self, key: Hashable, client: Endpoint, server: Endpoint, *, channel: str | None = None, midway: bool = False
    ) -> list[Event]:
        """A connection begins; *channel* names what it is, *midway* says that its beginning is missing."""
        if channel is not None and channel not in self._channels:
            raise DissectorError(f"channel {channel!r}", "there is no such channel", nearest(channel, self._channels))
        if key in self._connections:
            self.closed(key)
        c = self._connections[key] = Connection(key, client, server)
        if channel is not None:
            self._recognise(c, self._channels[channel], 0, midway)
        return []

    def data(
        self, key: Hashable, direction: int, data: Data, *, offset: int | None = None, frame: int = 0, time_ns: int = 0
    ) -> list[Event]:
        """Octets of one direction.

        With *offset* (of the first one in its direction) octets that were there before are left out, and octets that
        were never given are a gap.
        """
        c = self._connection(key)
        events: list[Event] = []
        if offset is not None and offset != c.offsets[direction]:
            here = c.offsets[direction]
            if offset > here:
                events += self.gap(key, direction, offset - here, frame=frame, time_ns=time_ns)
            else:
                data = memoryview(data)[here - offset :]
        if len(data):
            c.offsets[direction] += len(data)
            events += self._take(c, Held(direction, b"", frame, time_ns), data)
        return events

    def gap(
        self, key: Hashable, direction: int, length: int | None = None, *, frame: int = 0, time_ns: int = 0
    ) -> list[Event]:
        """Octets of one direction are missing; None: nobody knows how many."""
        c = self._connection(key)
        c.offsets[direction] += length or 0
        return self._take(c, Held(direction, -1 if length is None else length, frame, time_ns))

    def closed(self, key: Hashable, direction: int | None = None, *, frame: int = 0, time_ns: int = 0) -> list[Event]:
        """One direction of a connection has ended, or both."""
        c = self._connection(key)
        events: list[Event] = []
        for d in (0, 1) if direction is None else (direction,):
            machine = c.machines[d]
            if machine is not None and not c.ended[d]:
                machine.frame, machine.time_ns = frame, time_ns
                events += machine.close()
            c.ended[d] = True
        if c.is_closed:
            del self._connections[key]
            if c.channel is None and any(c.first):
                events += self._ignore(c, frame, time_ns)
        return events

    def finish(self) -> list[Event]:
        """There is nothing more: whatever is open ends here."""
        return [event for key in list(self._connections) for event in self.closed(key)]

    def _connection(self, key: Hashable) -> Connection:
        try:
            return self._connections[key]
        except KeyError:
            raise DissectorError(f"connection {key!r}", "it is not open", "call opened() first") from None

    # ------------------------------------------------------------------------------------------------- octets

    def _take(self, c: Connection, what: Held, data: Data = b"") -> list[Event]:
        machine = c.machines[what.direction]
        if machine is not None:
            machine.frame, machine.time_ns = what.frame, what.time_ns
            if isinstance(what.data, int):
                return machine.gap(what.data if what.data >= 0 else None)
            return machine.feed(data)
        if c.ignored or c.channel is not None:
            return []
        if not isinstance(what.data, int):
            what.data = bytes(data)
            c.first[what.direction].extend(what.data)
        c.held.append(what)
        return self._classify(c)

    def _classify(self, c: Connection) -> list[Event]:
        """Find out what a connection is, if that can be told by now."""
        last = c.held[-1]
        refused = 0
        for direction in dict.fromkeys(h.direction for h in c.held):
            if isinstance(next(h for h in c.held if h.direction == direction).data, int):
                refused += 1
                continue
            destination = c.client if direction else c.server
            try:
                channel = self._channel_of(bytes(c.first[direction]), destination)
                apart = channel is not None and self._is_apart(channel, bytes(c.first[direction]), destination)
            except NeedMore:
                break
            if channel is not None:
                return self._recognise(c, channel, direction, midway=False, apart=apart)
            refused += 1
        if refused == len(c.first) or sum(map(len, c.first)) > HELD:
            return self._ignore(c, last.frame, last.time_ns)
        return []

    def _channel_of(self, ahead: bytes, destination: Endpoint) -> Channel | None:
        """The first channel that can begin like this; raises NeedMore."""
        conversation = self._latest.get(destination)
        known = conversation.registers.values if conversation else {}
        for channel in self.protocol.channels:
            if channel.first is None or (channel.joins and conversation is None):
                continue
            values = {**self._initial.values, **(known if channel.joins else {})}
            if evaluate(channel.first, {"S": values, "P": self.parameters}, ahead):
                return channel
        return None

    def _is_apart(self, channel: Channel, ahead: bytes, destination: Endpoint) -> bool:
        """Whether it cannot be of the conversation that is there; raises NeedMore."""
        conversation = self._latest.get(destination)
        if conversation is None or channel.apart is None or channel.joins:
            return False
        values = {**self._initial.values, **conversation.registers.values}
        return bool(evaluate(channel.apart, {"S": values, "P": self.parameters}, ahead))

    def _ignore(self, c: Connection, frame: int, time_ns: int) -> list[Event]:
        spoke = c.held[0].direction if c.held else 0
        octets = bytes(c.first[spoke] or c.first[1 - spoke])[:SHOWN]
        c.ignored = True
        c.held.clear()
        for first in c.first:
            first.clear()
        return self._told(Unrecognised(c.key, c.client, c.server, octets, frame, time_ns))

    def _recognise(
        self, c: Connection, channel: Channel, forward: int, midway: bool, apart: bool = False
    ) -> list[Event]:
        c.channel, c.forward = channel, forward
        c.conversation = self._conversation(channel, c.destination, apart)
        c.conversation.connections.append(c)
        for direction, stream in ((forward, channel.forward), (1 - forward, channel.reverse)):
            if stream is not None:
                c.machines[direction] = self._machine(c, stream, direction == forward, midway)
        held, c.held = c.held, []
        for first in c.first:
            first.clear()
        machine = c.machines[forward]
        assert machine is not None
        when = held[-1] if held else Held(0, b"", 0, 0)
        event = Recognised(machine.source, c.client, c.server, c.destination, when.frame, when.time_ns)
        events = self._told(event)
        for h in held:
            events += self._take(c, h, h.data if isinstance(h.data, bytes) else b"")
        return events

    def _conversation(self, channel: Channel, destination: Endpoint, apart: bool) -> Conversation:
        """The conversation that a connection belongs to."""
        latest = self._latest.get(destination)
        if latest is not None:
            is_one_more = channel is self.protocol.channels[0] and channel.name in latest.channels
            if channel.joins or (latest.is_open and not is_one_more and not apart):
                return latest
        conversation = Conversation(len(self.conversations) + 1, destination)
        self.conversations.append(conversation)
        self._latest[destination] = conversation
        return conversation

    def _machine(self, c: Connection, stream: Stream, is_forward: bool, midway: bool) -> Machine:
        assert c.channel is not None
        assert c.conversation is not None
        direction = "forward" if is_forward else "reverse"
        source = Source(stream.name, c.channel.name, direction, c.key, c.conversation.number, self._builder)
        return Machine(
            stream,
            {name: self.parameters[name] for name in compile_stream(stream, self._reported).parameters},
            registers=c.conversation.registers,
            source=source,
            midway=midway,
            on_event=self._on_event,
            facts=c.conversation.facts,
            **self._options,  # type: ignore[arg-type]  # the three are named and typed above
        )

    def _told(self, event: Event) -> list[Event]:
        if self._on_event is None:
            return [event]
        self._on_event(event)
        return []


def _total(each: Iterator[dict[str, int]]) -> dict[str, int]:
    out: dict[str, int] = {}
    for counts in each:
        for name, n in counts.items():
            out[name] = out.get(name, 0) + n
    return out
