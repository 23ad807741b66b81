# SPDX-License-Identifier: GPL-2.0-or-later
"""The pure parts of the benchmark: spreads, slopes, exponents, promises, tables, and the lines of history.csv."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from bench import history, markdown, stored, table
from bench.__main__ import main
from bench.callgrind import Slope
from bench.plan import beyond_start
from bench.real import choose, octets
from bench.runs import Spread, Usage, decode_as, ratio
from bench.single import exponent
from bench.targets import LARGE, TARGETS, Target
from dissector.errors import DissectorError

ROOT = Path(__file__).resolve().parents[2]
ABOUT = {"release": "1.0", "tshark": "4.0", "lua": "5.2", "python": "3.11", "megabytes": 1000.0, "rounds": 5}


def spread(*values: float) -> dict[str, float]:
    """As JSON has it."""
    return dict(zip(("min", "median", "max"), values, strict=True))


def result(**parts: Any) -> dict[str, Any]:
    """A result with these parts."""
    return {**ABOUT, "skipped": {}, **parts}


def target(key: str) -> Target:
    """The row of that name."""
    (found,) = (each for each in TARGETS if each.key == key)
    return found


class TestNumbers:
    def test_a_ratio_is_taken_round_by_round(self) -> None:
        """A round in which everything took twice as long changes nothing."""
        found = {
            "a": [Usage(2, 0, 0), Usage(4, 0, 0), Usage(3, 0, 0)],
            "b": [Usage(1, 0, 0), Usage(2, 0, 0), Usage(1, 0, 0)],
        }

        assert Spread(2, 2, 3) == ratio(found, "a", "b")

    def test_the_start_is_the_usual_one(self) -> None:
        """One slow start does not make everything else seem fast, and nothing takes less than no time."""
        starts = [Usage(1, 0, 0), Usage(1, 0, 0), Usage(9, 0, 0)]

        assert [3, 4, 0.001] == beyond_start([Usage(4, 0, 0), Usage(5, 0, 0), Usage(0.5, 0, 0)], starts)

    @pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
    def test_the_exponent_is_that_of_the_power(self, power: float) -> None:
        """Whatever the factor."""
        sizes = (1e8, 1e9, 4e9)

        assert power == pytest.approx(exponent(sizes, [3 * x**power for x in sizes]))

    def test_instructions_per_record_are_those_beyond_the_noop(self) -> None:
        """Divided by the records of a segment; ratios only of what was counted."""
        slope = Slope("zero", LARGE, {"tcp": 1000.0, "noop": 2000.0, "plugin": 5000.0}, records=10.0)

        assert 300.0 == slope.per_record
        assert {"plugin/tcp": 5.0, "plugin/noop": 2.5} == slope.ratios

    def test_another_port_is_decoded_like_the_synthetic_one(self) -> None:
        """The plugin finds its streams by itself; the others must be told."""
        assert ["-d", "tcp.port==4747,data"] == decode_as("tcp", 4747)
        assert ["-d", "tcp.port==4747,noop"] == decode_as("noop", 4747)
        assert [] == decode_as("plugin", 4747)
        assert [] == decode_as("noop", 4444)


class TestPromises:
    def test_names_are_unique(self) -> None:
        """They are columns."""
        assert len(TARGETS) == len({each.key for each in TARGETS})

    @pytest.mark.parametrize(
        ("counted", "timed", "kept"),
        [
            (1.2, 1.3, True),
            (1.2, 1.31, False),
            (1.31, 1.2, False),
            (None, 1.3, True),
            (1.31, None, False),
            (None, None, None),
        ],
    )
    def test_both_figures_must_keep_it(self, counted: float | None, timed: float | None, kept: bool | None) -> None:
        """A figure that is missing is no reason; two missing are no answer."""
        shape = {"kind": "pages", "segment": LARGE}
        parts: dict[str, Any] = {}
        if counted is not None:
            parts["instructions"] = [{**shape, "plugin/noop": counted}]
        if timed is not None:
            parts["load"] = [{**shape, "plugin/noop": spread(1, timed, 9)}]

        assert kept is target(f"plugin/noop {LARGE}").met(result(**parts))

    def test_some_promises_are_to_be_exceeded(self) -> None:
        """Speeds, and being faster than something else."""
        row = target("script/summary pages")

        assert True is row.met(result(analyze=[{"kind": "pages", "script/summary": spread(9, 10, 11)}]))
        assert False is row.met(result(analyze=[{"kind": "pages", "script/summary": spread(9, 9.9, 11)}]))

    def test_octets_become_megabytes(self) -> None:
        """A promise is in the unit that it is written in."""
        found = result(summary=[{"kind": "zero", "segment": LARGE, "peak": spread(1e6, 2e6, 3e6)}])

        assert spread(1, 2, 3) == target("summary MB zero").timed(found)


GENERATE = {"command": "generate", "seconds": spread(1, 1.25, 1.5), "wall": spread(1, 1.5, 2), "peak": 80e6}


class TestTables:
    def test_a_promise_has_its_figures_beside_it(self) -> None:
        """Median, smallest and greatest, and whether it was kept."""
        lines = list(table.lines(result(generate=GENERATE)))

        assert "layershark 1.0: tshark 4.0, lua 5.2, python 3.11; 1000 MB, 5 rounds" == lines[0]
        (line,) = (line for line in lines if "cold start  " in line)
        assert ["≤", "1.5", "s", "1.50", "[1.00-2.00]", "s", "yes"] == line.split("cold start", 1)[1].split()

    def test_what_was_left_out_is_told(self) -> None:
        """With the reason."""
        told = table.about({**result(), "skipped": {"analyze": "no script"}})

        assert told.endswith("; analyze left out: no script")

    def test_markdown_goes_between_the_markers(self, tmp_path: Path) -> None:
        """What stands around them stays, and a second time changes nothing."""
        page = tmp_path / "page.md"
        page.write_text(f"before\n{markdown.BEGIN}\nold\n{markdown.END}\nafter\n")
        markdown.rewrite(page, result(generate=GENERATE))
        once = page.read_text()
        markdown.rewrite(page, result(generate=GENERATE))

        assert once == page.read_text()
        assert once.startswith(f"before\n{markdown.BEGIN}\n")
        assert once.endswith(f"{markdown.END}\nafter\n")
        assert "| generate | 1.25 [1.00-1.50] | 1.50 [1.00-2.00] | 80 MB |" in once
        assert "\nold\n" not in once

    def test_a_page_without_markers_is_refused(self, tmp_path: Path) -> None:
        """It is left as it is."""
        page = tmp_path / "page.md"
        page.write_text("text\n")

        with pytest.raises(DissectorError, match="has no markers"):
            markdown.rewrite(page, result())
        assert "text\n" == page.read_text()

    def test_the_page_of_this_project_has_markers(self) -> None:
        """docs/performance.md is what the option is for."""
        page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")

        assert None is not markdown.rewritten(page, "")

    def test_a_stored_result_is_shown_again(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Nothing is measured for it."""
        path = tmp_path / "result.json"
        path.write_text(json.dumps(result(generate=GENERATE)))

        assert 0 == main(["--from", str(path), "--markdown", "-"])
        assert markdown.text(result(generate=GENERATE)) == capsys.readouterr().out


class TestStored:
    def written(self, folder: Path, name: str, **parts: Any) -> Path:
        """A file as ``--json`` writes it."""
        path = folder / f"{name}.json"
        path.write_text(json.dumps({**result(), **parts}))
        return path

    def test_rows_of_several_runs_are_joined(self, tmp_path: Path) -> None:
        """The later one of two, and what was left out once is not left out when it was measured another time."""
        missing = {"frame": "no sharkd", "nbd": "gone"}
        first = self.written(tmp_path, "a", generate=GENERATE, real={"octets": 1}, skipped=missing)
        second = self.written(tmp_path, "b", real={"octets": 2}, frame={"milliseconds": spread(1, 2, 3)})
        found = stored.joined([first, second])

        assert {"nbd": "gone"} == found["skipped"]
        assert (GENERATE, {"octets": 2}) == (found["generate"], found["real"])
        assert "frame" in found
        assert "others" not in found

    def test_a_row_is_measured_again(self, tmp_path: Path) -> None:
        """The others of its part stay."""
        zero, few, many = ({"kind": kind, "seconds": n} for kind, n in (("zero", 1), ("pages", 2), ("pages", 3)))
        files = [self.written(tmp_path, "a", load=[few, zero]), self.written(tmp_path, "b", load=[many])]

        assert [many, zero] == stored.joined(files)["load"]

    def test_another_tshark_stands_beside_it(self, tmp_path: Path) -> None:
        """In a table and a line of history of its own; nothing of it enters the promises."""
        usual = self.written(tmp_path, "a", generate=GENERATE)
        other = self.written(tmp_path, "b", tshark="4.6", frame={"milliseconds": spread(1, 2, 3)})
        found = stored.joined([usual, other])
        lines = list(table.lines(found))
        history.add(found, path := self.history(tmp_path))

        start = lines.index("By time, with other releases of Wireshark")
        assert ["row", "promise", "4.0", "4.6"] == lines[start + 1].split()
        assert ["≤", "5", "ms", "2.00", "[1.00-3.00]", "ms"] == lines[start + 2].split("pages", 1)[1].split()
        assert "frame" not in found
        joined = self.written(tmp_path, "joined", **found)
        assert {**found, "generate": GENERATE} == stored.joined([usual, joined])
        assert [["1.0", "4.0"], ["1.0", "4.6"]] == [each.split(",")[:2] for each in path.read_text().splitlines()[1:]]

    def history(self, folder: Path) -> Path:
        """An empty one."""
        path = folder / "history.csv"
        path.write_text(",".join(history.COLUMNS) + "\n")
        return path

    def test_runs_that_differ_are_not_joined(self, tmp_path: Path) -> None:
        """One line tells how everything was measured."""
        files = [self.written(tmp_path, "a"), self.written(tmp_path, "b", rounds=3)]

        with pytest.raises(DissectorError, match="rounds 3, where another has 5"):
            stored.joined(files)

    @pytest.mark.parametrize("text", ["[]", "{}", "no json"])
    def test_other_files_are_refused(self, tmp_path: Path, text: str) -> None:
        """By name."""
        path = tmp_path / "other.json"
        path.write_text(text)

        with pytest.raises(DissectorError, match=r"other\.json"):
            stored.joined([path])


class TestHistory:
    def test_every_line_has_the_columns_of_the_head(self) -> None:
        """One line for each release, and nothing that depends on the machine."""
        head, *lines = csv.reader(history.PATH.read_text(encoding="utf-8").splitlines())

        assert list(history.COLUMNS) == head
        assert all(len(line) == len(head) for line in lines)

    def test_a_release_has_one_line(self) -> None:
        """The later one."""
        head = ",".join(history.COLUMNS)
        first, second = (history.line({**result(), "rounds": n}) for n in (1, 2))
        text = history.with_line(history.with_line(f"{head}\n", first), second)

        assert [head, ",".join(second)] == text.splitlines()

    def test_seconds_are_not_in_it(self) -> None:
        """They belong to a machine."""
        assert "1.25" not in history.line(result(generate=GENERATE))


class TestRecordings:
    def test_the_largest_is_chosen_by_what_it_holds(self, tmp_path: Path) -> None:
        """Not by what gzip made of it, and no encrypted one."""
        for name, text in (("small", b"ab" * 10), ("large", b"a" * 5000), ("tls-psk", b"a" * 9000)):
            (tmp_path / f"{name}.pcap.gz").write_bytes(gzip.compress(text))
            (tmp_path / f"{name}.toml").write_text(f'capture = "{name}.pcap.gz"\nport = 47\n')

        assert 9000 == octets(tmp_path / "tls-psk.pcap.gz")
        assert (tmp_path / "large.pcap.gz", 47) == choose(tmp_path)

    def test_no_capture_is_one_line(self, tmp_path: Path) -> None:
        """Where, and what is wanted."""
        with pytest.raises(DissectorError, match="no capture that tells its port"):
            choose(tmp_path)
