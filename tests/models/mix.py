"""What `guests/bench/mix.c` computes, computed another way: with Python's library wherever it has the algorithm."""

import hashlib
import zlib

import numpy as np

PARTS = ("sieve", "sort", "crc", "list", "recursion", "text", "hash", "big")
MASK64 = (1 << 64) - 1


class Generator:
    """Knuth's MMIX linear congruential generator, the upper half of it."""

    def __init__(self, state):
        self.state = state

    def __call__(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK64
        return self.state >> 32


def sieve(below=65536):
    prime = np.ones(below, bool)
    prime[:2] = False
    for n in range(2, int(below**0.5) + 1):
        prime[n * n :: n] = False
    found = np.flatnonzero(prime)
    return int(found.sum()) << 16 | len(found)


def numbers(count=16384):
    draw = Generator(1)
    return sorted(draw() for _ in range(count))


def sort():
    return sum(i * n for i, n in enumerate(numbers(), 1)) & MASK64


def memory_of_numbers():
    return b"".join(n.to_bytes(4, "big") for n in numbers())


def crc():
    return zlib.crc32(memory_of_numbers())


def walk(nodes=4096, walks=48):
    draw = Generator(2)
    order = list(range(nodes))
    for i in range(nodes - 1, 0, -1):
        j = draw() % (i + 1)
        order[i], order[j] = order[j], order[i]
    # The walk begins at node 0, wherever the shuffle put it, and follows the order from there.
    begin = order.index(0)
    values = [(begin + k) % nodes for k in range(nodes)]
    carried = 0
    for _ in range(walks):
        for k, value in enumerate(values):
            carried = (carried + value) & MASK64
            values[k] = carried
    return carried


def fibonacci(n=22):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def text(lines=2048, line_bytes=32):
    draw = Generator(3)
    made = [bytes(ord("a") + (draw() >> 30) for _ in range(draw() % (line_bytes - 1) + 1)) for _ in range(lines)]
    ascents = sum(made[i] < made[(i + 1) % lines] for i in range(lines))
    return sum(map(len, made)) << 32 | lines << 16 | ascents


def digest(size=16384):
    return int.from_bytes(hashlib.sha256(memory_of_numbers()[:size]).digest()[:8], "big")


def big(limbs=96, squarings=8):
    draw = Generator(4)
    factor = sum((draw() << 32 | draw()) << 64 * i for i in range(limbs))
    for _ in range(squarings):
        factor = (factor * factor >> 64 * (limbs // 2)) & ((1 << 64 * limbs) - 1)
    folded = 0
    for i in range(limbs):
        folded = ((folded << 7 | folded >> 57) & MASK64) ^ (factor >> 64 * i & MASK64)
    return folded


def results():
    """One number a part, in the guest's order."""
    return [sieve(), sort(), crc(), walk(), fibonacci(), text(), digest(), big()]
