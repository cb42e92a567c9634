"""Images that nobody should boot: random bytes, corrupt ELF files, hostile sizes. None takes the process down."""

import random

import pytest

import irqvisor as iv
from irqvisor.errors import ImageError, UsageError
from irqvisor.hw.state import Stop
from papr.test_board import elf

FEW, MANY = 150, 10_000
STEPS = 200
ENDS = {Stop.BUDGET, Stop.EXIT, Stop.DEADLOCK, Stop.CHECKSTOP, Stop.ATTENTION}
SIZES = [0, 1, 3, 4, 7, 100, 4096, 1 << 23, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]


def code(rng):
    """Bytes that are often instructions, hypercalls among them."""
    words = [0x44000022, 0x3C600000 | rng.getrandbits(16), 0x60630000 | rng.getrandbits(16), 0x7C0004AC]
    return b"".join(
        (rng.choice(words) if rng.random() < 0.5 else rng.getrandbits(32)).to_bytes(4, "big")
        for _ in range(rng.randrange(1, 64))
    )


def image(rng):
    """A file to boot."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.randrange(0, 400))
    if kind == 1:
        return code(rng)
    segments = [
        (rng.choice([0, 0x2000, 0xC000000000000000, rng.getrandbits(64)]), code(rng), 64)
        for _ in range(rng.randrange(1, 4))
    ]
    data = bytearray(elf(segments, little=rng.random() < 0.5))
    if kind == 2:
        return bytes(data[: rng.randrange(len(data))])
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(min(len(data), 64 + 56 * len(segments)))
        data[at : at + 8] = rng.choice(SIZES).to_bytes(8, rng.choice(["big", "little"]))[: rng.choice([1, 2, 4, 8])]
    return bytes(data)


def options(rng):
    """How to boot it."""
    hostile = rng.random() < 0.2
    return {
        "memory": rng.choice(SIZES) if hostile else 8 << 20,
        "cpus": rng.choice(SIZES) if hostile else rng.choice([1, 1, 1, 2, 4]),
        "append": "x" * rng.choice([0, 10, 100_000]) if rng.random() < 0.02 else "args",
        "rtas_entry": rng.random() < 0.5,
        "timebase": rng.choice(SIZES) if hostile else 512_000_000,
    }


def boot(seed):
    """One attempt: what became of it."""
    rng = random.Random(seed)
    try:
        machine = iv.boot(image(rng), **options(rng))
    except (ImageError, UsageError):
        return "refused"
    for cpu in machine.cpu[:1]:
        cpu.gpr[:] = [rng.choice([rng.getrandbits(64), rng.getrandbits(20), rng.choice(SIZES) & (1 << 64) - 1])] * 32
        cpu.msr |= 1 << 63
    machine.run(instructions=STEPS, cycles=100 * STEPS)
    assert machine.stop_reason in ENDS
    return machine.stop_reason.name


def campaign(count):
    found = [boot(seed) for seed in range(count)]
    assert found.count("refused") > count // 10
    assert found.count("BUDGET") > count // 10


def test_a_few_hostile_images_do_no_harm():
    campaign(FEW)


@pytest.mark.slow
@pytest.mark.compiled
def test_ten_thousand_hostile_images_do_no_harm():
    campaign(MANY)
