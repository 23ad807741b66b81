# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command keeps for the next one is never noticed but by the clock."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from dissector.cli import kept
from dissector.cli.private import CHECK, cache_folder, read_private, write_private
from dissector.cli.summary import counted
from dissector.decode import Machine, PduSeen, Session
from dissector.decode.compile import compile_stream
from dissector.ir.model import Protocol
from dissector.ir.pdus import Named
from dissector.protocols.qemu_migration import FileHeader, MainChannel
from tests.cli.conftest import PCAPS, complete

CAPTURE = PCAPS / "qemu-10.0-failure.pcapng.gz"
SCRIPT = "import sys; from dissector.cli import main; main(sys.argv[1:]); sys.exit(3 if 'scapy' in sys.modules else 0)"
WITH_SCAPY, WITHOUT = 3, 0
MADE = ["this installation", "a.py 1 2 3"]

posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes")


def command(folder: Path | str, *argv: str) -> subprocess.CompletedProcess[bytes]:
    """A command in a process of its own; its code says whether Scapy was imported."""
    env = {**os.environ, "DISSECTOR_CACHE": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *argv, str(CAPTURE)], env=env, capture_output=True, check=False
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A place for what is kept."""
    return tmp_path / "cache" / "x.kept"


@pytest.fixture
def protocol() -> Protocol:
    """QEMU's protocol, with one stream compiled."""
    found = kept.translated()
    compile_stream(found.streams[0], False)
    return found


class TestCommands:
    @pytest.mark.parametrize("name", ["summary", "decode"])
    def test_the_second_says_the_same_without_scapy(self, tmp_path: Path, name: str) -> None:
        """With nothing kept, with something kept, and with no cache at all."""
        alone, first, second = (command(folder, name, "--json") for folder in ("", tmp_path / "c", tmp_path / "c"))

        assert alone.stdout == first.stdout == second.stdout != b""
        assert [WITH_SCAPY, WITH_SCAPY, WITHOUT] == [alone.returncode, first.returncode, second.returncode]
        assert b"" == alone.stderr + first.stderr + second.stderr

    def test_what_is_not_there_yet_is_added(self, tmp_path: Path) -> None:
        """Another command reports other PDUs: it finds the protocol, and leaves what it compiled beside the rest."""
        command(tmp_path / "c", "summary")
        (file,) = (tmp_path / "c").iterdir()
        before = file.stat().st_size
        added = command(tmp_path / "c", "decode")

        assert WITHOUT == added.returncode
        assert before < file.stat().st_size
        assert [file] == list((tmp_path / "c").iterdir())

    @pytest.mark.parametrize("harm", ["empty", "cut", "other octets", "other end"])
    def test_a_damaged_file_is_made_again(self, tmp_path: Path, harm: str) -> None:
        """Whatever became of the file, nobody hears of it, and the next command has a good one."""
        good = command(tmp_path / "c", "summary")
        (file,) = (tmp_path / "c").iterdir()
        data = file.read_bytes()
        file.write_bytes(
            {"empty": b"", "cut": data[:-1000], "other octets": bytes(len(data)), "other end": data[:-1] + b"x"}[harm]
        )
        again, after = command(tmp_path / "c", "summary"), command(tmp_path / "c", "summary")

        assert (good.stdout, b"") == (again.stdout, again.stderr)
        assert (WITH_SCAPY, WITHOUT) == (again.returncode, after.returncode)

    def test_a_folder_that_cannot_be(self, tmp_path: Path) -> None:
        """Below a file there is no folder; that is no error."""
        (tmp_path / "file").write_text("")
        ran = command(tmp_path / "file" / "c", "summary")

        assert (WITH_SCAPY, b"") == (ran.returncode, ran.stderr)
        assert ran.stdout

    def test_many_at_once(self, tmp_path: Path) -> None:
        """Programs that all keep something leave one good file and nothing beside it."""
        env = {**os.environ, "DISSECTOR_CACHE": str(tmp_path / "c")}
        words = [sys.executable, "-c", SCRIPT, "summary", str(CAPTURE)]
        running = [subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(4)]
        said = {each.communicate()[0] for each in running}

        assert {command("", "summary").stdout} == said
        assert 1 == len(list((tmp_path / "c").iterdir()))
        assert WITHOUT == command(tmp_path / "c", "summary").returncode

    def test_who_proves_that_sources_translate_looks_at_sources(self, tmp_path: Path) -> None:
        """``generate`` and ``check`` neither read nor write what is kept."""
        for argv in (["generate", "-o", "-"], ["check"]):
            ran = subprocess.run(
                [sys.executable, "-c", SCRIPT, *argv],
                env={**os.environ, "DISSECTOR_CACHE": str(tmp_path / "c")},
                capture_output=True,
                check=False,
            )

            assert (WITH_SCAPY, b"") == (ran.returncode, ran.stderr)
        assert not (tmp_path / "c").exists()


class TestKept:
    def test_it_is_the_same_protocol(self, path: Path, protocol: Protocol) -> None:
        """All of it, but that classes are known by name."""
        kept.keep(path, MADE, protocol, {})
        found = kept.load(path, MADE)

        assert protocol == found
        assert {Named} == {type(pdu.origin) for pdu in found.pdus}
        assert [pdu.origin for pdu in protocol.pdus] == [pdu.origin.found() for pdu in found.pdus]

    def test_all_of_it_can_be_kept(self, path: Path, protocol: Protocol) -> None:
        """Every stream, with all PDUs reported, those of a summary, and none."""
        streams = {s.name: s for s in protocol.streams}
        for stream in streams.values():
            for report in (True, False, counted(protocol)):
                compile_stream(stream, report)
        kept.keep(path, MADE, protocol, {})
        found = kept.load(path, MADE)
        assert found is not None

        assert 3 * len(streams) == len(kept.codes(found))
        assert {k: p.text for k, p in kept.codes(protocol).items()} == {k: p.text for k, p in kept.codes(found).items()}

    def test_packets_are_built_on_demand(self, path: Path, protocol: Protocol) -> None:
        """The Scapy object of a PDU is that of its class."""
        kept.keep(path, MADE, protocol, {})
        found = kept.load(path, MADE)
        assert found is not None
        session = Session(found, builder=lambda origin, octets, _: origin(octets))
        session.opened("c", ("a", 1), ("b", 2))
        main = MainChannel()
        main.header()
        events = [e for e in session.data("c", 0, bytes(main)) if isinstance(e, PduSeen)]

        assert isinstance(events[0].packet, FileHeader)
        assert bytes(main) == bytes(events[0].packet)

    def test_its_functions_are_not_printed_again(
        self, path: Path, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was compiled is there, does the same, and a traceback shows its text."""
        kept.keep(path, MADE, protocol, {})
        found = kept.load(path, MADE)
        assert found is not None
        monkeypatch.setattr("dissector.decode.compile.print_stream", None)
        here, there = compile_stream(found.streams[0], False), compile_stream(protocol.streams[0], False)
        octets = bytes(complete())
        machines = [Machine(s, events=False) for s in (found.streams[0], protocol.streams[0])]

        assert there.text == here.text
        assert all(isinstance(f, bytes) for f in here.printed.functions.values())
        assert repr(machines[1].feed(octets)) == repr(machines[0].feed(octets))
        assert machines[1].pdus == machines[0].pdus
        assert {here.file} == {f.__code__.co_filename for f in here.names if f.__name__.startswith("state_")}

    def test_anything_else_is_not_believed(self, path: Path, protocol: Protocol) -> None:
        """Another installation, another file, a file with another date."""
        kept.keep(path, MADE, protocol, {})

        assert kept.load(path, [*MADE, "b.py 1 2 3"]) is None
        assert kept.load(path, MADE[:1]) is None
        assert kept.load(path, [MADE[0], "a.py 1 2 4"]) is None

    def test_nothing_is_called(self, path: Path) -> None:
        """A pickle that would do something is refused, even with everything else in order."""
        write_private(path, b"\n".join([*(m.encode() for m in MADE), b"", b""]) + pickle.dumps((print, {})))

        assert kept.load(path, MADE) is None

    def test_nothing_new_is_not_written(self, path: Path, protocol: Protocol) -> None:
        """A command that compiled nothing leaves the file alone."""
        kept.keep(path, MADE, protocol, kept.codes(protocol))

        assert not path.exists()


class TestKey:
    def test_every_source_counts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A source that is written again, even with the same octets and date, is another one."""
        for name in kept.FOLDERS:
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / name / "a.py").write_text("")
        monkeypatch.setattr(kept, "PACKAGE", tmp_path)
        before = kept.made_from()
        for name in kept.FOLDERS:
            source = tmp_path / name / "a.py"
            then = source.stat()
            source.unlink()
            source.write_text("")
            os.utime(source, ns=(then.st_atime_ns, then.st_mtime_ns))

            assert before != (before := kept.made_from())

    def test_scapy_counts(self) -> None:
        """Its version is the files of its package."""
        assert any(line.startswith("packet.py ") for line in kept.made_from())

    def test_all_that_translates_is_looked_at(self) -> None:
        """Every module of ours that a translation imports lies in a folder that counts."""
        code = (
            "import sys; from dissector.cli import kept; kept.translated(); "
            "print(*{m.__file__ for n, m in sys.modules.items() if n.startswith('dissector.')}, sep='\\n')"
        )
        files = subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()
        folders = {kept.PACKAGE / name for name in kept.FOLDERS}
        others = {Path(f).parent.relative_to(kept.PACKAGE).parts[0] for f in files if Path(f).parent not in folders}

        assert set() == others

    def test_no_sources_no_key(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An installation without a folder (in an archive) keeps nothing."""
        monkeypatch.setattr(kept, "PACKAGE", tmp_path / "archive.zip")

        assert [] == kept.made_from()


class TestPrivate:
    def test_written_and_read(self, path: Path) -> None:
        """What was written last is read, from a folder that was made for it."""
        assert write_private(path, b"one")
        assert write_private(path, b"two")

        assert b"two" == read_private(path)

    @posix
    def test_for_nobody_else(self, path: Path) -> None:
        """Neither folder nor file can be read or written by others."""
        write_private(path, b"one")

        assert (0o700, 0o600) == (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777)

    @posix
    @pytest.mark.parametrize("what", ["file", "folder"])
    @pytest.mark.parametrize("mode", [0o720, 0o702])
    def test_what_others_may_write_to_is_not_believed(self, path: Path, what: str, mode: int) -> None:
        """A file with code in it that others can change is nobody's."""
        write_private(path, b"one")
        (path if what == "file" else path.parent).chmod(mode)

        assert read_private(path) is None

    @posix
    def test_nor_written_to(self, path: Path) -> None:
        """A folder that others can write to is left alone."""
        path.parent.mkdir()
        path.parent.chmod(0o777)

        assert not write_private(path, b"one")
        assert [] == list(path.parent.iterdir())

    @posix
    def test_what_belongs_to_somebody_else_is_not_believed(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file of another user is not read."""
        write_private(path, b"one")
        me = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)

        assert read_private(path) is None

    @posix
    def test_root_begins_nothing_in_the_home_of_another(
        self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else the other could never use it."""
        if os.geteuid() == 0:
            os.chown(tmp_path, 1, 1)
        monkeypatch.setattr(os, "geteuid", lambda: 0)

        assert not write_private(path, b"one")
        assert not path.parent.exists()

    @posix
    def test_a_link_is_not_followed(self, path: Path) -> None:
        """What it leads to may be anything."""
        write_private(path, b"one")
        link = path.with_name("link")
        link.symlink_to(path)

        assert read_private(link) is None

    @posix
    def test_a_pipe_is_not_waited_for(self, path: Path) -> None:
        """Only a file is read."""
        path.parent.mkdir(mode=0o700)
        os.mkfifo(path, 0o600)

        assert read_private(path) is None

    def test_a_damaged_file_is_none(self, path: Path) -> None:
        """One octet that is not as it was is enough."""
        write_private(path, b"one")
        data = path.read_bytes()
        path.write_bytes(data[:CHECK] + b"onf")

        assert read_private(path) is None

    def test_where(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the variable says, nowhere if it is empty, else where the system keeps such things."""
        monkeypatch.setenv("DISSECTOR_CACHE", str(tmp_path))
        assert tmp_path == cache_folder()

        monkeypatch.setenv("DISSECTOR_CACHE", "")
        assert cache_folder() is None

    @pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="they have their own places")
    def test_xdg(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """XDG_CACHE_HOME counts if it is absolute, else ~/.cache."""
        monkeypatch.delenv("DISSECTOR_CACHE")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert tmp_path / "xdg" / "layershark" == cache_folder()

        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        assert tmp_path / "home" / ".cache" / "layershark" == cache_folder()
