# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: whole streams
# scapy.contrib.status = skip
"""Whole streams, as a source and a destination would write them.

The layers build one PDU each; what belongs to a *stream* is done here: section ids are allotted and repeated in
footers, a page names its block only when the last one was of another, a package is measured.  Everything appends
layers to ``pdus``, so that a test has the octets (``bytes(stream)``) and what they ought to be read as::

    main = MainChannel()
    main.header()
    main.configuration(b"pc-q35-10.0")
    main.start_ram({b"pc.ram": 0x400000})
    main.part_ram((b"pc.ram", 0x1000, b"..."), (b"pc.ram", 0x2000, 0))
    main.end_ram()
    main.full(b"timer", octets, version_id=2)
    main.eof(b'{"page_size": 4096, "devices": []}')

What a source must not send is refused with :class:`dissector.errors.CraftError`, except inside
:func:`.limits.unchecked`.  Postcopy's commands are not held to their order: the finding for that is the reader's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...declare import registers
from ...errors import CraftError
from ..pdu import Pdu
from . import command as c
from . import configuration as cfg
from . import ram as r
from . import return_path as rp
from . import section as s
from .constants import (
    CAPABILITIES,
    DEFAULT_PAGE_SIZE,
    RAM_SECTION,
    RAM_VERSION,
    TARGET_PAGE_SIZES,
    Command,
    RamFlag,
    short,
)
from .limits import limits

__all__ = ["MainChannel", "Package", "Page", "ReturnPath"]

Page = tuple[bytes, int, bytes | int]
"""Block, offset in it, and what the page holds: its octets, or the one octet that fills it."""

OUTER_ONLY = (
    c.MigCmdPostcopyAdvise,
    c.MigCmdPostcopyAdviseBitmaps,
    c.MigCmdPostcopyRamDiscard,
    c.MigCmdPackaged,
    c.MigCmdRecvBitmap,
)


def refuse(where: str, what: str, hint: str) -> None:
    """Raise, unless anything goes."""
    if limits():
        raise CraftError(where, what, f"{hint}, or build inside unchecked()")


class _Sections:
    """What may stand outside and inside of a package: sections and commands."""

    def __init__(self, page_size: int, footers: bool) -> None:
        self.page_size, self.footers = page_size, footers
        self.pdus: list[Pdu] = []
        self.ids: dict[tuple[bytes, int], int] = {}
        self.started: set[int] = set()
        self.blocks: dict[bytes, int] = {}
        self.last_block: bytes | None = None

    def __bytes__(self) -> bytes:
        with registers({"page_size": self.page_size}):
            return b"".join(bytes(pdu) for pdu in self.pdus)

    def add(self, *pdus: Pdu) -> None:
        """Append layers; those put together with ``/`` stay together, so that lengths left out can be computed."""
        self.pdus += pdus

    def section_id(self, idstr: bytes, instance_id: int) -> int:
        """The id of a device, a new one if it has none.

        They begin with 1: a destination takes a PART of 0 for the first of its devices that has not been loaded
        (migration/savevm.c, load_section_id).
        """
        if not 0 < len(idstr) < 256:
            refuse("section", f"an idstr of {len(idstr)} octets", "give it 1 to 255")
        return self.ids.setdefault((idstr, instance_id), len(self.ids) + 1)

    def start(self, idstr: bytes, body: Iterable[Pdu] | bytes, instance_id: int = 0, version_id: int = 1) -> None:
        """START: the set-up of an iterative device."""
        number = self.section_id(idstr, instance_id)
        self.started.add(number)
        names = {"idstr": idstr, "instance_id": instance_id, "version_id": version_id}
        self._section(s.SectionStart(section_id=number, **names), number, body)

    def full(self, idstr: bytes, body: bytes, instance_id: int = 0, version_id: int = 1) -> None:
        """FULL: the whole state of a device."""
        number = self.section_id(idstr, instance_id)
        names = {"idstr": idstr, "instance_id": instance_id, "version_id": version_id}
        self._section(s.SectionFull(section_id=number, **names), number, body)

    def part(self, idstr: bytes, body: Iterable[Pdu] | bytes, instance_id: int = 0) -> None:
        """PART: an iteration of a device."""
        number = self._started("PART", idstr, instance_id)
        self._section(s.SectionPart(section_id=number), number, body)

    def end(self, idstr: bytes, body: Iterable[Pdu] | bytes, instance_id: int = 0) -> None:
        """END: the last iteration of a device."""
        number = self._started("END", idstr, instance_id)
        self._section(s.SectionEnd(section_id=number), number, body)

    def _started(self, kind: str, idstr: bytes, instance_id: int) -> int:
        number = self.section_id(idstr, instance_id)
        if number not in self.started:
            refuse(f"{kind} {idstr.decode(errors='replace')}", "there was no START", "start the section first")
        return number

    def _section(self, head: Pdu, number: int, body: Iterable[Pdu] | bytes) -> None:
        self.add(head)
        if not isinstance(body, bytes):
            self.add(*body)
        elif body:
            self.add(s.DeviceState(state=body))
        if self.footers:
            self.add(s.SectionFooter(section_id=number))

    # ------------------------------------------------------------------------------------------------------- RAM

    def start_ram(self, blocks: Mapping[bytes, int], addresses: Mapping[bytes, int] | None = None) -> None:
        """START of RAM with its list of blocks; with *addresses* as x-ignore-shared wants it."""
        self.blocks = dict(blocks)
        for name, length in blocks.items():
            if length % self.page_size:
                refuse("RAM block list", f"{name!r} has {length} octets", "a block is a multiple of a page")
        entries: list[Pdu] = [
            r.RamBlock(block=name, used_length=length)
            if addresses is None
            else r.RamBlockWithAddress(block=name, used_length=length, address=addresses.get(name, 0))
            for name, length in blocks.items()
        ]
        self.start(RAM_SECTION, [r.RamMemSize(addr=sum(blocks.values())), *entries, r.RamEos()], 0, RAM_VERSION)

    def part_ram(self, *pages: Page | Pdu) -> None:
        """PART of RAM with pages; a layer is taken as it is."""
        self.part(RAM_SECTION, [*(self.page(p) for p in pages), r.RamEos()])

    def end_ram(self, *pages: Page | Pdu) -> None:
        """END of RAM with the last pages."""
        self.end(RAM_SECTION, [*(self.page(p) for p in pages), r.RamEos()])

    def page(self, page: Page | Pdu) -> Pdu:
        """The record of a page, which names its block if it is not that of the last one."""
        if isinstance(page, Pdu):
            return page
        block, offset, content = page
        if offset % self.page_size or not 0 <= offset < self.blocks.get(block, 0):
            refuse(
                "page",
                f"offset {offset:#x} of {block!r} is not a page of that block",
                "list the block in start_ram()",
            )
        if isinstance(content, bytes) and len(content) != self.page_size:
            refuse("page", f"{len(content)} octets", f"a page has {self.page_size}")
        if isinstance(content, int) and content:
            refuse("page", f"filled with {content}", "QEMU sends pages of zeros as such, and no others")
        fields: dict[str, Any] = {"addr": offset}
        if block == self.last_block:
            fields["flags"] = RamFlag.CONTINUE
        else:
            fields |= {"block": block, "flags": RamFlag(0)}
        self.last_block = block
        if isinstance(content, int):
            return r.RamZero(**{**fields, "flags": int(fields["flags"] | RamFlag.ZERO)}, fill=content)
        return r.RamPage(**{**fields, "flags": int(fields["flags"] | RamFlag.PAGE)}, data=content)


class MainChannel(_Sections):
    """The main channel, as a source writes it; a recovery connection is one without header and configuration."""

    def __init__(self, page_size: int = DEFAULT_PAGE_SIZE, footers: bool = True) -> None:
        if page_size not in TARGET_PAGE_SIZES:
            refuse("main channel", f"a target page of {page_size} octets", "1024 to 65536, a power of two")
        super().__init__(page_size, footers)

    def header(self) -> None:
        """The file header."""
        if self.pdus:
            refuse("file header", "there is something in front of it", "begin with it")
        self.add(s.FileHeader())

    def configuration(
        self,
        machine: bytes,
        capabilities: Iterable[bytes] = (),
        page_bits: int | None = None,
        uuid: Any = None,
    ) -> None:
        """The configuration with those subsections that are asked for, in QEMU's order."""
        self.add(cfg.Configuration(machine=machine))
        if page_bits is not None:
            self.add(cfg.ConfigurationTargetPageBits(bits=page_bits))
        names = tuple(capabilities)
        for name in names:
            if name.decode() not in CAPABILITIES:
                refuse(
                    "configuration/capabilities",
                    f"{name!r} is no capability",
                    "see query-migrate-capabilities",
                )
        if names:
            self.add(cfg.ConfigurationCapabilities(count=len(names)))
            self.add(*(cfg.ConfigurationCapability(capability=name) for name in names))
        if uuid is not None:
            self.add(cfg.ConfigurationUuid(uuid=uuid))

    def package(self) -> Package:
        """A package to be filled; :meth:`send` appends it.  It knows the section ids of this channel."""
        return Package(self)

    def send(self, package: Package) -> None:
        """PACKAGED and what is in the package.  The length is computed, and refused above 16 MiB."""
        octets = bytes(package)
        head = c.MigCmdPackaged(packaged_length=len(octets))
        bytes(head)  # raises what QEMU raises, before anything is appended
        self.add(head, *package.pdus)

    def eof(self, description: bytes | None = None) -> None:
        """EOF, and the JSON description of what was sent."""
        self.add(s.Eof())
        if description is not None:
            self.add(s.VmDescription(json=description))


class Package(_Sections):
    """What is sent in one piece at the switch to postcopy: device state between LISTEN and RUN."""

    def __init__(self, outer: MainChannel) -> None:
        super().__init__(outer.page_size, outer.footers)
        self.ids, self.started, self.blocks = outer.ids, outer.started, outer.blocks

    def add(self, *pdus: Pdu) -> None:
        """Append layers, but none whose payload the destination would read from behind the package."""
        for pdu in pdus:
            if isinstance(pdu, OUTER_ONLY):
                name = short(Command(pdu.cmd))
                refuse("package", f"{name} inside a package", "its payload would be read from behind the package")
        super().add(*pdus)


class ReturnPath:
    """The return path, as a destination writes it: a request names its block only when the last one was of another."""

    def __init__(self, page_size: int = DEFAULT_PAGE_SIZE) -> None:
        self.page_size = page_size
        self.pdus: list[Pdu] = []
        self.last_block: bytes | None = None

    def __bytes__(self) -> bytes:
        return b"".join(bytes(pdu) for pdu in self.pdus)

    def add(self, *pdus: Pdu) -> None:
        """Append layers."""
        self.pdus += pdus

    def request(self, block: bytes, start: int, length: int | None = None) -> None:
        """REQ_PAGES or REQ_PAGES_ID for one page, or *length* octets."""
        length = self.page_size if length is None else length
        if start % self.page_size or length % self.page_size:
            refuse("REQ_PAGES", f"start {start:#x}, length {length}", "ask for whole pages")
        span = {"start": start, "request_length": length}
        self.add(rp.RpReqPages(**span) if block == self.last_block else rp.RpReqPagesId(block=block, **span))
        self.last_block = block

    def bitmap(self, block: bytes, received: Iterable[int], pages: int) -> None:
        """RECV_BITMAP of a block of so many target pages, of which these have arrived."""
        octets = bytearray((pages + 63) // 64 * 8)
        for page in received:
            if not 0 <= page < pages:
                refuse("RECV_BITMAP", f"page {page} of {pages}", "count from 0")
            octets[page // 8] |= 1 << page % 8
        self.add(rp.RpRecvBitmap(block=block, bitmap=bytes(octets)), rp.RpRecvBitmapEnd())
