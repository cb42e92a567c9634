"""A guest that makes random hypercalls harms nobody but itself.

The other domains are paused and share no port with it: afterwards they are what they were, byte for byte. The fuzzing
domain may end itself; then it begins again.
"""

import random
import struct

import pytest

from irqvisor.hv.control import hypervisor
from irqvisor.hv.control.calls import HYPERCALLS
from irqvisor.hv.state import Release
from irqvisor.lab.conformance import steps
from irqvisor.lab.conformance.rig import FRAMES, NOWHERE, PAGE, SCRATCH, Rig
from irqvisor.spec import papr, xen
from irqvisor.tables import Table

COMMON = {"max_port": 1023, "hardware": False, "nr_pirqs": 16, "pirqs_permitted": [4, 5], "pirqs_mapped": [4]}
DOMAINS = [
    {"id": 0, "vcpus": 2, "privileged": True, **COMMON, "hardware": True},
    {"id": 1, "vcpus": 3, "privileged": False, **COMMON},
    {"id": 2, "vcpus": 2, "privileged": False, **COMMON},
]
FUZZER = 1
OTHERS = (0, 2)
NUMBERS = [call.number for call in HYPERCALLS]
CALLS = 10_000
"""In all; a part of them without the JIT."""
LIMITS = [0, 1, 2, 3, 4, 7, 15, 16, 23, 24, 63, 64, 127, 128, 129, 1023, 1024, 4095, 4096, 131071, 131072]
WILD = [xen.DOMID_SELF, 0x7FFF, 0xFFFF, 0x10000, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 63, (1 << 64) - 1]


def number(rng):
    """A number that means something, or nothing."""
    return rng.choice([rng.choice(LIMITS), rng.choice(WILD), rng.randrange(8), rng.getrandbits(64)])


def signed(value):
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def address(rng):
    """A guest real address: in memory, at its ends, in a page that cannot be written, or nowhere."""
    place = rng.choice([SCRATCH, SCRATCH, SCRATCH, 0, (FRAMES - 1) * PAGE, SCRATCH + PAGE, NOWHERE])
    return rng.choice([place, place + PAGE - rng.randrange(64), place + rng.randrange(PAGE), rng.getrandbits(63)])


def handle(rng):
    """Inline or a descriptor, good or bad."""
    return rng.choice([signed(1 << 63 | address(rng)), signed(1 << 63 | SCRATCH), address(rng), signed(number(rng))])


def scribble(rng, rig):
    """Fill the argument page: small numbers, descriptors, garbage."""
    data = bytearray()
    while len(data) < 256:
        data += rng.choice(
            [
                struct.pack(">I", number(rng) & 0xFFFFFFFF),
                struct.pack(">HH", number(rng) & 0xFFFF, number(rng) & 0xFFFF),
                struct.pack(">Q", signed(handle(rng)) & (1 << 64) - 1),
                struct.pack(">IIQ", xen.XENCOMM_MAGIC, rng.choice([0, 1, 2, 1 << 31]), address(rng)),
            ]
        )
    rig.put(FUZZER, SCRATCH, bytes(data[:256]))


def mischief(rng, rig):
    """What a guest may do to its own memory while the hypervisor is not looking."""
    d = rig.domain(FUZZER)
    ram = rig.machine.ram
    shared = int(d.shared)
    ram[shared + rng.randrange(2560)] = rng.getrandbits(8)
    if int(d.words):  # a stuck BUSY, a hostile LINK, LINKED without a queue
        word = int(d.event_page[0]) + 4 * rng.randrange(64)
        ram[word : word + 4] = list(struct.pack(">I", rng.getrandbits(32)))
    for v in rig.machine.views[Table.VCPU][int(d.vcpu) : int(d.vcpu + d.vcpus)]:
        if v.control >= 0:
            ram[int(v.control) + rng.randrange(xen.FIFO_CONTROL_BYTES)] = rng.getrandbits(8)


def registers(rng):
    """r3 to r10."""
    if rng.random() < 0.03:
        called = rng.choice([papr.H_PUT_TERM_CHAR, papr.H_GET_TERM_CHAR, rng.getrandbits(16), signed(number(rng))])
    else:
        called = rng.choice([*NUMBERS, xen.HC_EVENT_CHANNEL_OP, rng.getrandbits(16)]) | xen.MARK
    command = rng.choice([rng.randrange(16), rng.randrange(16), signed(number(rng))])
    return [called, command, handle(rng), handle(rng), *(signed(number(rng)) for _ in range(4))]


def untouched(rig):
    """Everything of the other domains."""
    seen = {}
    views = rig.machine.views
    for domain in OTHERS:
        d = rig.domain(domain)
        of_vcpus = slice(int(d.vcpu), int(d.vcpu + d.vcpus))
        seen[domain] = [
            d.tobytes(),
            views[Table.PORT][int(d.port) : int(d.port + d.ports)].tobytes(),
            views[Table.VCPU][of_vcpus].tobytes(),
            views[Table.CONTEXT][of_vcpus].tobytes(),
            views[Table.PCPU][of_vcpus].tobytes(),
            rig.machine.ram[int(d.ram) : int(d.ram) + (FRAMES + 3) * PAGE].tobytes(),
        ]
    seen["lines"] = views[Table.PIRQ][[k for k, r in enumerate(views[Table.PIRQ]) if r.domain in OTHERS]].tobytes()
    return seen


def prepared(release):
    """Three domains, the others with ports of every kind that they do not share with the fuzzer."""
    rig = Rig(DOMAINS, release)
    for dom in OTHERS:
        for op, args in (
            ("bind_virq", {"virq": 2, "vcpu": 0}),
            ("bind_ipi", {"vcpu": 1}),
            ("bind_pirq", {"pirq": 4, "flags": 0}),
            ("alloc_unbound", {"dom": xen.DOMID_SELF, "remote_dom": 2 - dom}),
        ):
            step = {"kind": "hypercall", "op": op, "dom": dom, "vcpu": 0, "args": args}
            assert steps.perform(rig, step)["rc"] == 0
    rig.run_all()
    return rig


def fuzz(seed, calls, release):
    rng = random.Random(seed)
    rig = prepared(release)
    before = untouched(rig)
    seen = set()
    for _ in range(calls):
        scribble(rng, rig)
        if rng.random() < 0.2:
            mischief(rng, rig)
        chosen = registers(rng)
        result = rig.enter(FUZZER, rng.randrange(3), *chosen)
        seen.add((chosen[0], chosen[1], result))
        d = rig.domain(FUZZER)
        if not d.alive:
            assert untouched(rig) == before
            rig = prepared(release)
            assert untouched(rig) == before
            continue
        for vcpu in range(3):
            hypervisor.unblock(rig.plane(FUZZER, vcpu))
    assert untouched(rig) == before
    return seen


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("release", Release)
def test_ten_thousand_random_hypercalls_leave_the_other_domains_untouched(release):
    seen = fuzz(4, CALLS // 2, release)
    assert len({r for _, _, r in seen}) > 7  # many different answers: the fuzz gets somewhere


@pytest.mark.parametrize("release", Release)
def test_random_hypercalls_leave_the_other_domains_untouched(release):
    seen = fuzz(5, 150, release)
    assert len({r for _, _, r in seen}) > 5
