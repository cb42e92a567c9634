"""Which code a result comes from."""

from __future__ import annotations

import hashlib

from irqvisor import _jit

HASH_DIGITS = 16


def code_digest() -> str:
    """A digest of the machine's sources: what decides how a run goes, whatever compiled it."""
    digest = hashlib.sha256()
    for path in _jit.sources():
        digest.update(path.relative_to(_jit.PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:HASH_DIGITS]
