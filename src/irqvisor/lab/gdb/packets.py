"""Frames of gdb's remote protocol: ``$data#checksum``, acknowledged by + or -, and 0x03 for Ctrl-C.

Whatever arrives, `Decoder` goes on: a frame with a wrong checksum is refused, one without an end is dropped when it is
longer than any packet may be, and bytes outside of frames are ignored (GDB manual, Overview of the Remote Protocol).
"""

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

START, END, ESCAPE, REPEAT = b"$"[0], b"#"[0], b"}"[0], b"*"[0]
INTERRUPT = 0x03
ESCAPED_BY = 0x20
LONGEST = 0x4000
"""Bytes of a packet; what gdb is told with qSupported."""
MUST_ESCAPE = frozenset((START, END, ESCAPE, REPEAT))


class Kind(Enum):
    """What arrived."""

    PACKET = "packet"
    BROKEN = "broken"
    INTERRUPT = "interrupt"
    ACK = "ack"
    REFUSED = "refused"


class Event(NamedTuple):
    """Something that arrived; data of a packet is without escapes."""

    kind: Kind
    data: bytes = b""


class Decoder:
    """Makes events of a stream of bytes."""

    def __init__(self) -> None:
        self._frame: bytearray | None = None
        self._checksum = bytearray()

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that some more bytes complete."""
        for byte in data:
            event = self._byte(byte)
            if event is not None:
                yield event

    def _byte(self, byte: int) -> Event | None:
        if self._frame is None:
            return self._outside(byte)
        if self._checksum or (self._frame and self._frame[-1] == END):
            self._checksum.append(byte)
            if len(self._checksum) < 2:
                return None
            return self._complete()
        if byte == START:  # the last one never ended
            self._begin()
            return Event(Kind.BROKEN)
        self._frame.append(byte)
        if len(self._frame) > LONGEST:
            self._frame = None
            return Event(Kind.BROKEN)
        return None

    def _outside(self, byte: int) -> Event | None:
        if byte == START:
            self._begin()
        elif byte == INTERRUPT:
            return Event(Kind.INTERRUPT)
        elif byte == b"+"[0]:
            return Event(Kind.ACK)
        elif byte == b"-"[0]:
            return Event(Kind.REFUSED)
        return None

    def _begin(self) -> None:
        self._frame = bytearray()
        self._checksum = bytearray()

    def _complete(self) -> Event:
        assert self._frame is not None
        data = bytes(self._frame[:-1])
        self._frame = None
        try:
            right = int(bytes(self._checksum), 16) == sum(data) & 0xFF
        except ValueError:
            right = False
        self._checksum = bytearray()
        return Event(Kind.PACKET, unescaped(data)) if right else Event(Kind.BROKEN)


def unescaped(data: bytes) -> bytes:
    """A packet's data without its escapes."""
    out = bytearray()
    escaped = False
    for byte in data:
        if escaped:
            out.append(byte ^ ESCAPED_BY)
            escaped = False
        elif byte == ESCAPE:
            escaped = True
        else:
            out.append(byte)
    return bytes(out)


def frame(data: bytes) -> bytes:
    """The bytes to send for a packet."""
    body = bytearray()
    for byte in data:
        body += bytes((ESCAPE, byte ^ ESCAPED_BY)) if byte in MUST_ESCAPE else bytes((byte,))
    return b"$" + bytes(body) + b"#" + f"{sum(body) & 0xFF:02x}".encode()
