# SPDX-License-Identifier: GPL-2.0-or-later
"""The migrations that were recorded as files, and what their sidecars tell."""

from __future__ import annotations

import gzip
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILES = Path(__file__).resolve().parents[2] / "pcaps" / "files"


@dataclass(frozen=True)
class Recorded:
    """One of them."""

    name: str
    sidecar: dict[str, Any]

    @property
    def path(self) -> Path:
        return FILES / str(self.sidecar["file"])

    @property
    def place(self) -> list[str]:
        """The options that say where in the file the stream is."""
        return [f"--{key}={value}" for key, value in self.sidecar["place"].items()]

    @property
    def is_image(self) -> bool:
        return ".qcow2." in self.path.name

    @property
    def stands_still(self) -> bool:
        """Whether the guest did not run while it was written."""
        return "-S" in self.sidecar["source"]["arguments"] or any('"stop"' in step for step in self.sidecar["steps"])

    def plain(self, folder: Path) -> Path:
        """The file as it can be read: an image is none while it is compressed."""
        if not self.is_image:
            return self.path
        path = folder / self.path.stem
        path.write_bytes(gzip.decompress(self.path.read_bytes()))
        return path

    def __str__(self) -> str:
        return self.name


RECORDED = [Recorded(p.stem, tomllib.loads(p.read_text(encoding="utf-8"))) for p in sorted(FILES.glob("*.toml"))]


def recorded(name: str) -> Recorded:
    """One of them by its name."""
    return next(r for r in RECORDED if r.name == name)
