# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the octets of a capture come from, whatever they are wrapped in.

The readers above see one thing: a ``Source`` whose :meth:`~Source.more` appends the next block to what they
have not used yet.  Below it lie a file, a pipe, or an open stream, and perhaps a decompressor, chosen by
the first octets and never by the name: captures get renamed, mailed and served under all sorts of names.

Blocks are a mebibyte.  That is large enough for the cost of a block (a system call, a join of the record
that two blocks share) to vanish, and small enough to stay in a processor's cache between the copy out of
the kernel and the reader.  A block is not copied: where a record straddles, the octets of that record are
put together, and the rest of the block comes next as it lies.  A read returns what a pipe has, not what was
asked for: a capture that is still being written is shown as it comes.

Blocks come and go all the time, and glibc would give the memory of each back to the kernel and ask for it
anew, page by page: that took half of the time of a whole summary.  It stops doing so for sizes up to that
of the largest mapping that was ever freed (``M_MMAP_THRESHOLD`` in mallopt(3)), so one is made and freed.

A capture that stops in the middle of a record is the normal end of an interrupted recording, not a reason
to throw away what came before.  :meth:`Source.cut_short` is the one place that decides between the two: it
raises when the caller asked for strictness, and otherwise adds the sentence to the caller's list of
warnings.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from dissector.errors import CaptureError

BLOCK = 1 << 20
"""Octets asked for at a time."""

_ROOM = 8 * BLOCK
"""More than the blocks, and what is joined of them, that are in use at once."""

MAX_RECORD = 256 << 20
"""No record of a real capture is longer: dumpcap's own limit for a packet is 256 KiB, for USB 128 MiB."""

Progress = Callable[[int, "int | None"], None]
"""Called with octets of the file consumed so far, and the file's size where that is known."""

_NOTHING = memoryview(b"")
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"

_HINTS = {
    errno.ENOENT: "a relative path starts at the current folder",
    errno.EISDIR: "name a capture inside this folder",
    errno.EACCES: "captures recorded by root often belong to root; change their owner or mode",
}


class _Blocks(Protocol):
    """What a decompressor offers: some octets, no more than asked for, none at the end."""

    def read1(self, size: int, /) -> bytes: ...


class _Counted(io.RawIOBase):
    """The file as it lies on the disk; counts what was read, and lets its first octets be looked at."""

    def __init__(self, stream: BinaryIO | io.RawIOBase, name: str, progress: Progress | None) -> None:
        # One read of a buffered stream is as many system calls as it takes; read1 is one.
        self._read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        self._name = name
        self._progress = progress
        self._total = _size(stream)
        self._done = 0
        self._head = b""

    def peek(self, size: int) -> bytes:
        """Return the next octets, fewer only where the file ends, and leave them to be read."""
        head = self.read(size)
        while len(head) < size and (block := self.read(size - len(head))):
            head += block
        self._head = head
        return head

    def read(self, size: int = BLOCK) -> bytes:
        """Return at most ``size`` octets, none at the end."""
        if self._head:
            block, self._head = self._head[:size], self._head[size:]
            return block
        try:
            block = self._read(size)
        except OSError as error:
            raise _os_error(self._name, error) from error
        self._done += len(block)
        if self._progress is not None:
            self._progress(self._done, self._total)
        return block

    read1 = read


class _ZstdFrame(Protocol):
    """The part of zstandard's decompressobj that is used here."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _ZstdFrames:
    """The library's frames, one after another.

    The library has a reader for this, but it takes a file that stops in the middle of a frame for a
    complete one.  Its decompressobj knows the difference, and cannot be asked for *some* output; hence the
    small bites, which even the most absurdly compressible input cannot turn into more than 128 MiB each.
    """

    _BITE = 4096

    def __init__(self, counted: _Counted, new_frame: Callable[[], _ZstdFrame]) -> None:
        self._read = counted.read
        self._new_frame = new_frame
        self._frame: _ZstdFrame | None = None

    def read1(self, size: int, /) -> bytes:
        parts: list[bytes] = []
        have = 0
        while have < size and (bite := self._read(self._BITE)):
            while bite:
                frame = self._frame = self._frame or self._new_frame()
                parts.append(frame.decompress(bite))
                have += len(parts[-1])
                bite = b""
                if frame.eof:
                    bite, self._frame = frame.unused_data, None
        if not have and self._frame is not None:
            raise EOFError
        return b"".join(parts)


class Source:
    """The octets of one capture, in order, decompressed."""

    def __init__(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        *,
        progress: Progress | None = None,
        strict: bool = False,
        warnings: list[str] | None = None,
    ) -> None:
        self.offset = 0
        self._strict = strict
        self._warnings = [] if warnings is None else warnings
        self._ended = False
        self._rest = _NOTHING
        bytes(_ROOM)  # never touched, so it costs no memory
        stream, self.name, self._owned = _open(source)
        try:
            counted = _Counted(stream, self.name, progress)
            self._blocks, self._damage = _decompressor(counted, self.name)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._owned is not None:
            self._owned.close()

    def more(self, view: memoryview, position: int, need: int) -> memoryview:
        """Drop what lies before ``position``, and read until ``need`` octets follow it or the capture ends.

        If it takes several blocks, no more than that is returned, and the rest of the last one by the next call.
        ``offset`` moves along: it is always the place in the (decompressed) capture of the first octet
        returned.
        """
        self.offset += position
        parts: list[bytes | memoryview] = [view[position:]] if position < len(view) else []
        have = len(view) - position
        while have < need and (block := self._rest or self._block()):
            parts.append(block)
            have += len(block)
            self._rest = _NOTHING
        if len(parts) < 2:
            return memoryview(parts[0]) if parts else _NOTHING
        if have > need:
            last = memoryview(parts[-1])
            parts[-1], self._rest = last[: need - have], last[need - have :]
        return memoryview(b"".join(parts))

    def _block(self) -> bytes:
        if self._ended:
            return b""
        try:
            block = self._blocks.read1(BLOCK)
        except EOFError:
            # A compressed file that stops early still gave all it had, in the calls before this one.
            self._ended = True
            self._report("the compressed file is cut short")
            return b""
        except self._damage as error:
            raise CaptureError(self.name, f"damaged compressed data: {error}") from error
        self._ended = not block
        return block

    def cut_short(self, position: int, where: str = "in the middle of a packet record") -> None:
        """Report that the capture ends inside the record which begins at ``position`` of the current view."""
        self._report(f"cut short {where} at octet {self.offset + position}")

    def _report(self, what: str) -> None:
        if self._strict:
            raise CaptureError(self.name, what, "what came before it can be read; only the end is missing")
        self._warnings.append(f"{self.name}: {what}")

    def corrupt(self, position: int, what: str) -> CaptureError:
        """Return the error for a record, at ``position`` of the current view, that nobody would write."""
        return CaptureError(
            self.name,
            f"{what} at octet {self.offset + position}",
            "the file is damaged from there on; what came before it was read",
        )


def _open(
    source: str | os.PathLike[str] | BinaryIO,
) -> tuple[BinaryIO | io.RawIOBase, str, io.RawIOBase | None]:
    """Return the stream, its name for messages, and, if it is ours to close, the stream again."""
    if not isinstance(source, (str, os.PathLike)):
        name = getattr(source, "name", None)
        return source, name if isinstance(name, str) else "input", None
    if source == "-":
        return sys.stdin.buffer, "standard input", None
    name = os.fspath(source)
    try:
        stream = open(source, "rb", buffering=0)  # noqa: PTH123, SIM115 - source may be "-"; closed by Source
    except OSError as error:
        raise _os_error(name, error) from error
    return stream, name, stream


def _os_error(name: str, error: OSError) -> CaptureError:
    reason = error.strerror or str(error)
    return CaptureError(name, reason[:1].lower() + reason[1:], _HINTS.get(error.errno or 0, ""))


def _size(stream: BinaryIO | io.RawIOBase) -> int | None:
    """Return the size of a regular file, None of a pipe or of something that lives in memory."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, AttributeError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _decompressor(counted: _Counted, name: str) -> tuple[_Blocks, tuple[type[Exception], ...]]:
    """Choose by content; with the reader come the exceptions by which it says that its input is damaged."""
    head = counted.peek(4)
    if head.startswith(_GZIP):
        return gzip.GzipFile(fileobj=counted), (gzip.BadGzipFile, zlib.error)
    if head == _ZSTD:
        return _zstd(counted, name)
    return counted, ()


def _zstd(counted: _Counted, name: str) -> tuple[_Blocks, tuple[type[Exception], ...]]:
    """Use what this Python has: its own module from 3.14 on (if it was built with it), else the library."""
    if sys.version_info >= (3, 14):
        with contextlib.suppress(ImportError):
            from compression import zstd  # noqa: PLC0415 - may be missing

            return zstd.ZstdFile(counted), (zstd.ZstdError,)
    try:
        import zstandard  # noqa: PLC0415 - may be missing, and only this kind of file needs it
    except ImportError as error:
        what = "compressed with zstd, which this Python cannot read by itself"
        raise CaptureError(name, what, "pip install zstandard") from error
    return _ZstdFrames(counted, zstandard.ZstdDecompressor().decompressobj), (zstandard.ZstdError,)
