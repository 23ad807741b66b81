# SPDX-License-Identifier: GPL-2.0-or-later
"""Credentials for a scenario with TLS, made for one recording: a key that both know, or certificates.

QEMU's TLS library (gnutls) writes the secrets of its sessions to the file that SSLKEYLOGFILE names.  They go into the
capture, which can then be decrypted by whoever has it.  That is what it is for: these keys protect nothing else.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
from typing import TYPE_CHECKING

from dissector.record.scenario import RecordError

if TYPE_CHECKING:
    from pathlib import Path

KEY_LOG = "keys.log"
FOLDER = "tls"
NAME = "localhost"
"""Whom the destination's certificate is for: the source is told to expect it (``tls-hostname``)."""
USER = "qemu"
GET = "Debian, Ubuntu: sudo apt-get install openssl"
DAYS = "2"


def objects(kind: str) -> tuple[list[str], list[str]]:
    """Give the arguments of the source and of the destination."""
    user = {"psk": f",username={USER}", "x509": ""}[kind]
    verify = {"psk": "", "x509": ",verify-peer=on"}[kind]
    head = f"tls-creds-{kind},id=tls,dir=@/{FOLDER}"
    return ["-object", f"{head},endpoint=client{user}"], ["-object", f"{head},endpoint=server{verify}"]


def parameters(kind: str) -> dict[str, object]:
    """Give the migration parameters that go with the objects."""
    return {"tls-creds": "tls", **({"tls-hostname": NAME} if kind == "x509" else {})}


def make(kind: str, folder: Path) -> None:
    """Make the files that the objects read."""
    folder.mkdir(exist_ok=True)
    if kind == "psk":
        (folder / "keys.psk").write_text(f"{USER}:{secrets.token_hex(32)}\n")
        return
    _openssl(folder, "req", "-x509", *_new("ca"), "-out", "ca-cert.pem", "-addext", "basicConstraints=critical,CA:true")
    for end, usage in (("server", "serverAuth"), ("client", "clientAuth")):
        _openssl(folder, "req", *_new(end), "-out", f"{end}.csr")
        (folder / f"{end}.ext").write_text(
            f"basicConstraints=CA:false\nsubjectAltName=DNS:{NAME}\nextendedKeyUsage={usage}\n"
            "keyUsage=critical,digitalSignature,keyEncipherment\n"
        )
        given = ["-in", f"{end}.csr", "-CA", "ca-cert.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"]
        _openssl(folder, "x509", "-req", *given, "-days", DAYS, "-extfile", f"{end}.ext", "-out", f"{end}-cert.pem")


def _new(name: str) -> list[str]:
    """Give the arguments for a new key and its subject."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}-key.pem"]
    return [*key, "-subj", f"/CN={NAME if name == 'server' else name}"]


def _openssl(folder: Path, *arguments: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        raise RecordError("openssl", "not installed, and certificates must be made", GET)
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RecordError("openssl", f"cannot make certificates: {done.stderr.strip()[-300:]}", GET)
