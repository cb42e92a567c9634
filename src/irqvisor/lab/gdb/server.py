"""The socket that gdb connects to: one gdb at a time, on loopback unless told otherwise.

The machine stands still while gdb looks; virtual time goes on when gdb lets it. When gdb leaves, the machine goes on
by itself; when gdb's connection breaks, it does too.
"""

import contextlib
import select
import socket

from irqvisor.errors import UsageError
from irqvisor.hw.state import Stop
from irqvisor.lab.gdb.packets import Decoder, Event, Kind, frame
from irqvisor.lab.gdb.session import Session

READ_BYTES = 1 << 16


class Server:
    """Listens, and serves one gdb after another."""

    def __init__(self, session: Session, *, port: int, address: str) -> None:
        self.session = session
        try:
            self._listener = socket.create_server((address, port))
        except (OSError, OverflowError) as error:
            raise UsageError(f"{address}:{port}", f"cannot listen ({error})", hint="another --port") from None
        self.port = int(self._listener.getsockname()[1])
        self._peer: socket.socket | None = None
        self._decoder = Decoder()
        self._events: list[Event] = []
        self._sent = b""

    def close(self) -> None:
        """Listen no more."""
        self._drop()
        self._listener.close()

    def serve(self, *, running: bool) -> None:
        """Until the machine has ended or gdb has killed it.

        Args:
            running: the machine runs while no gdb is there; else it waits for the first.
        """
        self.session.interrupted = self._is_interrupted
        while not self.session.is_over:
            if self._wait_for_peer(0 if running else None):
                self._debug()
                running = True
            elif self.session.forward(self.session.slice_cycles) != Stop.BUDGET:
                return

    def _wait_for_peer(self, seconds: float | None) -> bool:
        if not select.select([self._listener], [], [], seconds)[0]:
            return False
        self._peer, _ = self._listener.accept()
        with contextlib.suppress(OSError):
            self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._decoder = Decoder()
        self._events.clear()
        self.session.attach()
        return True

    def _debug(self) -> None:
        """One gdb, until it leaves."""
        while self._peer is not None and not self.session.is_detached:
            if not self._events and not self._receive(None):
                break
            while self._events and self._peer is not None:
                self._handle(self._events.pop(0))
        self._drop()
        self.session.timeline.breakpoints.clear()
        self.session.timeline.watches.clear()

    def _handle(self, event: Event) -> None:
        if event.kind == Kind.BROKEN:
            self._send(b"-")
        elif event.kind == Kind.REFUSED:
            self._send(self._sent)
        elif event.kind == Kind.PACKET:
            acknowledges = self.session.acknowledges
            if acknowledges:
                self._send(b"+")
            answer = self.session.answer(event.data)
            if answer is not None:
                self._sent = frame(answer)
                self._send(self._sent)

    def _is_interrupted(self) -> bool:
        """Ctrl-C has arrived, or gdb is gone."""
        self._receive(0)
        if self._peer is None:
            return True
        found = any(event.kind == Kind.INTERRUPT for event in self._events)
        self._events = [event for event in self._events if event.kind != Kind.INTERRUPT]
        return found

    def _receive(self, seconds: float | None) -> bool:
        """Take what has arrived. False if nothing has, or gdb is gone."""
        if self._peer is None:
            return False
        try:
            if not select.select([self._peer], [], [], seconds)[0]:
                return False
            data = self._peer.recv(READ_BYTES)
        except OSError:
            data = b""
        if not data:
            self._drop()
            return False
        self._events += self._decoder.feed(data)
        return True

    def _send(self, data: bytes) -> None:
        if self._peer is not None:
            try:
                self._peer.sendall(data)
            except OSError:
                self._drop()

    def _drop(self) -> None:
        if self._peer is not None:
            with contextlib.suppress(OSError):
                self._peer.close()
            self._peer = None
