"""A guest that reads FIFO event channels as the design document has it, over a machine's memory.

Source: Vrabel, Event Channels FIFO design; xen/include/public/event_channel.h. It may set and clear MASKED, clear
PENDING, and clear LINKED together with LINK, nothing else.
"""

PENDING, MASKED, LINKED, BUSY, LINK = 1 << 31, 1 << 30, 1 << 29, 1 << 28, (1 << 17) - 1


class FifoGuest:
    """`load` and `store` take a RAM offset; `words` is that of the event words, `blocks` that of each control block."""

    def __init__(self, load, store, words, blocks):
        self.load, self.store, self.words, self.blocks = load, store, words, blocks
        self.ready = dict.fromkeys(blocks, 0)
        self.heads = {(v, q): 0 for v in blocks for q in range(16)}

    def word(self, port):
        return self.load(self.words + 4 * port)

    def change(self, port, clear=0, put=0):
        self.store(self.words + 4 * port, self.word(port) & ~clear | put)

    def mask(self, port):
        self.change(port, put=MASKED)

    def unmask(self, port):
        """True: what is pending has to be unmasked by the hypervisor, which alone may link it."""
        assert not self.word(port) & BUSY, "Xen leaves BUSY to nobody"
        self.change(port, clear=MASKED)
        return bool(self.word(port) & PENDING)

    def take(self, v):
        """The next port of a vCPU, in the order of its queues; None if there is none."""
        while True:
            self.ready[v] |= self.load(self.blocks[v])
            self.store(self.blocks[v], 0)
            if not self.ready[v]:
                return None
            q = (self.ready[v] & -self.ready[v]).bit_length() - 1
            port = self.heads[v, q] or self.load(self.blocks[v] + 8 + 4 * q)
            was = self.word(port)
            self.change(port, clear=LINKED | LINK)
            self.heads[v, q] = was & LINK
            if not was & LINK:
                self.ready[v] &= ~(1 << q)
            if was & PENDING and not was & MASKED:
                self.change(port, clear=PENDING)
                return port

    def queued(self, v, q):
        """The ports of a queue from where the guest goes on, in order. A queue that is neither ready nor begun is
        empty."""
        if not (self.ready[v] | self.load(self.blocks[v])) >> q & 1:
            return []
        port = self.heads[v, q] or self.load(self.blocks[v] + 8 + 4 * q)
        found = []
        while port and self.word(port) & LINKED:
            assert port not in found, "a queue that goes round"
            found.append(port)
            port = self.word(port) & LINK
        return found
