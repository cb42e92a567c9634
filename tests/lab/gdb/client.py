"""What connects to a server of gdb's protocol: the real gdb, and a socket that sends packets."""

import re
import shutil
import subprocess

import pytest

from irqvisor.lab.gdb.packets import frame

GDB = shutil.which("gdb-multiarch")
needs_gdb = pytest.mark.skipif(GDB is None, reason="gdb-multiarch is not installed")
PATIENCE_S = 120
"""What is not compiled yet takes its time."""
PACKET = re.compile(rb"\$([^#]*)#[0-9a-f]{2}")


def debug(port, *commands):
    """What gdb prints for some commands."""
    command = [GDB, "-nx", "-batch", "-ex", "set architecture powerpc:common64", "-ex", "set endian big"]
    command += ["-ex", f"set remotetimeout {PATIENCE_S}"]
    for line in (f"target remote 127.0.0.1:{port}", *commands):
        command += ["-ex", line]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return done.stdout + done.stderr


def ask(peer, packet):
    """The answer to a packet that is sent on a socket; empty if the peer goes without one."""
    peer.settimeout(PATIENCE_S)
    peer.sendall(frame(packet))
    data = b""
    while (found := PACKET.search(data)) is None and (part := peer.recv(4096)):
        data += part
    return found[1] if found else b""
