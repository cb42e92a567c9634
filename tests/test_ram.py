"""RAM above 1 MiB: who writes a page owns it, nobody else sees it, and nothing shows how memory came to be."""

import gc
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hv.harness import DESIGNS, MANUAL, Parked, parked, periodic, ready, small
from hw import asm
from irqvisor import ram
from irqvisor.hv import loop
from irqvisor.hw.state import CLEAN, CODE_PAGE, WATCHED, Phase
from irqvisor.lab import build
from irqvisor.machine import Machine
from irqvisor.ram import PAGE
from irqvisor.spec import xen
from irqvisor.tables import Table, behaviour

compiled = pytest.mark.compiled

GIB_KIB = 1 << 20
BIG_KIB = 2048
DESCRIPTORS = Path("/proc/self/fd")


def scenario(ram_kib=BIG_KIB, *, pcpus=1, arrival=MANUAL, **settings):
    """A computing domain with a source on each pCPU."""
    names = [f"d{p}" for p in range(pcpus)]
    return small(
        [{"name": name, "ram_kib": ram_kib, "pcpu": p, "compute": True} for p, name in enumerate(names)],
        [{"name": f"s{name}", "owner": name, "arrival": arrival} for name in names],
        pcpus=pcpus,
        **settings,
    )


@pytest.fixture(scope="module")
def original():
    return ready(scenario(), "rhype")


@pytest.fixture(scope="module")
def xen_original():
    return ready(scenario(), "xen-ppc")


def settled(machine):
    """A fork whose pages are all clean: its base is a file."""
    machine = machine.fork()
    machine.base.copied = 1 << 40
    machine.fork()
    assert machine.owned_pages == 0
    return machine


@pytest.fixture(params=["zeros", "file", "due"])
def parent(request, original):
    """A machine on a base of zeros, on one with a file, or whose next fork makes a new one."""
    machine = original.fork() if request.param == "zeros" else settled(original)
    if request.param == "due":
        machine.base.copied = 1 << 40
    return machine


def expected_digest(machine):
    """The digest of what is in memory, told from the bytes alone (docs/reference/machine.md)."""
    memory = machine.ram.tobytes()
    pages = [(k, memory[k * PAGE : (k + 1) * PAGE]) for k in range(len(memory) // PAGE)]
    pages = [(k, page) for k, page in pages if any(page)]
    inner = hashlib.sha256(b"".join(struct.pack(">I", k) for k, _ in pages))
    inner.update(b"".join(hashlib.sha256(page).digest() for _, page in pages))
    return hashlib.sha256(behaviour(machine.state).tobytes() + inner.digest()).hexdigest()


def entries(machine):
    return machine.views[Table.CODEMAP].entry


def owns(machine, at):
    """Whether a machine owns the page of a RAM offset."""
    return not entries(machine)[at // PAGE] & CLEAN


# -------------------------------------------------------------------------------------------------- who writes owns it

FAR = 0x123000
"""A page that nothing has touched, like its neighbours."""

STORES = {
    "stb": ([asm.stb(4, 0, 3)], FAR, 1),
    "std": ([asm.std(4, 0, 3)], FAR, 8),
    "std across pages": ([asm.std(4, 0, 3)], FAR + PAGE - 3, 8),
    "stw at the end of a page": ([asm.stw(4, 0, 3)], FAR + PAGE - 4, 4),
    "stwu": ([asm.stwu(4, 8, 3)], FAR + 8, 4),
    "stwbrx": ([asm.stwbrx(4, 0, 3)], FAR, 4),
    "stmw across pages": ([asm.stmw(4, 0, 3)], FAR + PAGE - 8, 112),
    "stswi across pages": ([asm.stswi(4, 3, 16)], FAR + PAGE - 5, 16),
    "stdcx.": ([asm.ldarx(5, 0, 3), asm.stdcx(4, 0, 3)], FAR, 8),
    "stwcx.": ([asm.lwarx(5, 0, 3), asm.stwcx(4, 0, 3)], FAR, 4),
}


@pytest.mark.parametrize("writer", ["twin", "parent"])
@pytest.mark.parametrize("name", STORES)
def test_a_store_of_a_guest_is_seen_by_its_own_machine_only(parent, writer, name):
    program, at, size = STORES[name]
    guest = Parked(parent)
    guest.park(*program)
    guest.cpu.gpr[3] = FAR // 2
    parent.run(cycles=100)  # now it is decoded: nothing else happens before the store
    twin = parent.fork()
    one, other = (twin, parent) if writer == "twin" else (parent, twin)
    before = other.digest()
    cpu = one.views[Table.CONTEXT][0]
    cpu.nip = guest.HERE
    cpu.gpr[3] = at - 8 if name == "stwu" else at
    for r in range(4, 32):
        cpu.gpr[r] = -1 - r
    one.run(cycles=100)
    assert any(one.memory[at : at + size])
    assert not any(other.memory[at : at + size])
    assert [owns(one, page) for page in (at, at + size - 1)] == [True, True]
    assert [owns(other, page) for page in (at, at + size - 1)] == [False, False]
    assert other.digest() == before != one.digest()
    for machine in (one, other):
        assert machine.digest() == expected_digest(machine)


def test_a_page_that_is_cleared_is_a_page_of_zeros(parent):
    parent.memory[FAR : FAR + PAGE] = b"x" * PAGE
    parent = settled(parent)
    Parked(parent).park(*([asm.dcbz(0, 3), asm._d(14, 3, 3, 128)] * (PAGE // 128)))
    twin = parent.fork()
    twin.views[Table.CONTEXT][0].gpr[3] = FAR
    twin.run(cycles=1000)
    assert twin.memory[FAR : FAR + PAGE] == bytes(PAGE)
    assert parent.memory[FAR : FAR + PAGE] == b"x" * PAGE
    assert owns(twin, FAR)
    assert FAR // PAGE in parent.filled_pages()
    assert FAR // PAGE not in twin.filled_pages()
    assert twin.digest() == expected_digest(twin)
    assert settled(twin).digest() == twin.digest()


@pytest.mark.parametrize("design", DESIGNS)
def test_an_item_that_a_device_posts_is_in_one_ring(design):
    parent = settled(ready(scenario(), design))
    twin = parent.fork()
    ring = int(twin.views[Table.SOURCE][0].ring)
    before = parent.digest()
    twin.raise_irq(1)
    assert twin.ram[ring : ring + 24].tobytes() == struct.pack(">QQQ", 1, 0, 1)
    assert not parent.ram[ring : ring + 24].any()
    assert owns(twin, ring)
    assert parent.digest() == before
    assert twin.digest() == expected_digest(twin)


def test_what_a_hypervisor_writes_is_in_one_machine(xen_original):
    parent = settled(xen_original)
    guest = Parked(parent)
    guest.listen()
    parent = settled(parent)
    twin = parent.fork()
    guest.machine = twin
    shared = int(twin.views[Table.DOMAIN][0].shared)
    before = parent.digest()
    assert entries(twin)[shared // PAGE] == CLEAN | WATCHED
    assert guest.evtchn(xen.EVTCHNOP_BIND_IPI, "II", 0, 0) == 0  # the control plane writes the port's number
    number = guest.out[1]
    assert number > 0
    assert guest.evtchn(xen.EVTCHNOP_SEND, "I", number) == 0  # the data plane writes shared_info
    assert guest.pending() == 1 << number
    assert entries(twin)[shared // PAGE] == WATCHED
    assert parent.digest() == before
    assert not parent.memory[guest.DATA]
    assert twin.digest() == expected_digest(twin)


def test_typed_text_is_in_one_machine(xen_original):
    parent = settled(xen_original)
    twin = parent.fork()
    guest = Parked(twin)
    twin.typed[0] += b"words"
    assert not owns(twin, FAR)
    assert guest.xen(xen.HC_CONSOLE_IO, xen.CONSOLEIO_READ, 16, xen.XENCOMM_INLINE | FAR) == 5
    assert twin.memory[FAR : FAR + 6] == b"words\0"
    assert owns(twin, FAR)
    assert not owns(parent, FAR)
    assert not parent.memory[FAR]


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (FAR, 7),
        (-PAGE, 7),
        (slice(FAR, FAR + 3), b"abc"),
        (slice(FAR - 2, FAR + 2), b"abcd"),
        (slice(FAR, FAR + 4 * PAGE, PAGE), b"abcd"),
        (slice(FAR + 4 * PAGE, FAR, -PAGE), b"abcd"),
        (slice(FAR, FAR), b""),
        (slice(-PAGE, None), b"z" * PAGE),
    ],
)
def test_memory_written_from_outside_is_in_one_machine(parent, where, value):
    twin = parent.fork()
    plain = bytearray(parent.memory)
    before = parent.digest()
    twin.memory[where] = plain[where] = value
    assert bytes(twin.memory) == plain
    assert parent.digest() == before
    assert twin.digest() == expected_digest(twin)
    assert twin.fork().digest() == twin.digest()


def test_memory_that_somebody_holds_is_the_machines_after_a_fork(parent):
    held = parent.memory
    parent.base.copied = 1 << 40
    twin = parent.fork()  # a new base: RAM moves
    held[FAR] = 9
    assert parent.memory[FAR] == 9
    assert twin.memory[FAR] == 0


@pytest.mark.parametrize("where", [BIG_KIB * 1024, -BIG_KIB * 1024 - 1])
def test_memory_ends_where_it_ends(parent, where):
    with pytest.raises(IndexError):
        parent.memory[where] = 1


def test_code_that_a_hypervisor_writes_over_is_decoded_again_in_one_machine(parent):
    guest = Parked(parent)
    guest.park(asm.li(5, 1))
    parent.run(cycles=100)
    twin = parent.fork()  # they share what is decoded
    assert entries(twin)[guest.HERE // PAGE] & CODE_PAGE
    loop.write_ram(twin.arrays, guest.HERE, 4, asm.li(5, 2))
    for machine, value in ((twin, 2), (parent, 1), (twin, 2)):
        cpu = machine.views[Table.CONTEXT][0]
        cpu.nip, cpu.gpr[5] = guest.HERE, 0
        machine.run(cycles=100)
        assert cpu.gpr[5] == value


def test_code_runs_in_clean_pages(parent):
    parent.memory[FAR : FAR + 8] = struct.pack(">II", asm.li(5, 1), Parked.SPIN)
    parent = settled(parent)
    cpu = parent.views[Table.CONTEXT][0]
    cpu.nip = FAR
    parent.run(cycles=100)
    assert cpu.gpr[5] == 1
    assert not owns(parent, FAR)
    assert entries(parent)[FAR // PAGE] & CODE_PAGE


def test_a_domain_owns_what_it_writes_beside_another():
    machine = settled(ready(scenario(1024, pcpus=2), "xen-ppc"))
    twin = machine.fork()
    one, other = parked(twin)
    other.memory[0x80000] = 5
    assert owns(twin, 0x100000 + 0x80000)
    assert not owns(twin, 0x80000)
    assert one.memory[0x80000] == 0
    assert twin.digest() == expected_digest(twin)


# ------------------------------------------------------------------------------- nothing shows how memory came to be


def test_the_digest_tells_what_is_in_memory_and_not_how_it_came_there(original, tmp_path):
    machine = original.fork()
    machine.memory[FAR : FAR + 5] = b"12345"
    machine.memory[FAR + PAGE] = 1
    machine.memory[FAR + PAGE] = 0  # a page of zeros that is owned
    machine.save(tmp_path / "a.irqvisor")
    whole = machine.fork()
    whole.own(0, len(whole.ram))
    assert whole.owned_pages == len(whole.ram) // PAGE
    histories = {
        "straight": machine,
        "forked": machine.fork(),
        "forked twice": machine.fork().fork(),
        "on a new base": settled(machine),
        "forked from a new base": settled(machine).fork(),
        "on a base that was hashed": settled(settled(machine)),
        "saved and loaded": Machine.load(tmp_path / "a.irqvisor"),
        "with every page its own": whole,
        "with every page on a new base": settled(whole),
    }
    assert {name: m.digest() for name, m in histories.items()} == dict.fromkeys(histories, expected_digest(machine))
    assert {m.digest() for m in histories.values()} == {expected_digest(machine)}  # and a second time


@pytest.mark.parametrize("change", [1, 255])
def test_the_digest_covers_every_page(original, change):
    machine = settled(original)
    digests = {machine.digest()}
    for at in (0x8000, FAR, len(machine.ram) - 1):
        twin = machine.fork()
        twin.memory[at] ^= change
        digests.add(twin.digest())
    assert len(digests) == 4


def test_hashes_go_on_to_the_next_base(original, monkeypatch):
    machine = settled(original)
    machine.digest()
    machine.memory[FAR] = 1
    hashed = []
    plain = ram._hash
    monkeypatch.setattr(ram, "_hash", lambda memory, pages: hashed.extend(pages.tolist()) or plain(memory, pages))
    assert settled(machine).digest() == machine.digest()
    assert set(hashed) == {FAR // PAGE}


@compiled
@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("pcpus", [1, 2])
def test_a_run_is_the_same_however_it_was_forked_and_saved(design, pcpus, tmp_path):
    busy = scenario(pcpus=pcpus, arrival=periodic(41), duration_ms=1, drain_ms=0.5)
    straight = build.machine(busy, design)
    straight.run()
    assert straight.phase == Phase.END
    machine = build.machine(busy, design)
    others = []
    while machine.phase < Phase.END:
        machine.run(cycles=250_000)
        others.append(machine.fork())
        k = len(others) % 8
        machine = settled(machine) if k == 3 else machine.fork()
        if k == 5:
            machine.save(tmp_path / "a.irqvisor")
            machine = Machine.load(tmp_path / "a.irqvisor")
    assert machine.digest() == straight.digest() == expected_digest(machine)
    assert len(others) > 10
    for other in others[1:-1:5]:
        other.run()
        assert other.digest() == straight.digest()


# ------------------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(("kib", "shared"), [(64, False), (1024, False), (1028, True)])
def test_forks_share_memory_above_1_mib(kib, shared):
    machine = build.machine(scenario(kib), "rhype")
    assert (machine.base is not None) == shared
    assert machine.owned_pages < 20 if shared else machine.owned_pages == kib // 4
    assert machine.fork().digest() == machine.digest()
    if not shared:
        assert (
            machine.digest() == hashlib.sha256(behaviour(machine.state).tobytes() + machine.ram.tobytes()).hexdigest()
        )


def test_memory_is_whole_pages():
    with pytest.raises(ValueError, match="whole pages"):
        ram.zeros(PAGE + 1)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_machine_with_1_gib_is_as_large_as_what_it_uses(design, tmp_path):
    machine = ready(scenario(GIB_KIB), design)
    assert len(machine.ram) == 1 << 30
    used = 40
    twins = [machine.fork() for _ in range(20)]
    for twin in twins:
        twin.raise_irq(1)
        twin.run(cycles=2000)
        assert twin.owned_pages <= used
    assert len({twin.digest() for twin in twins}) == 1
    assert len(machine.filled_pages()) <= used
    machine.save(tmp_path / "a.irqvisor")
    assert (tmp_path / "a.irqvisor").stat().st_size < 100_000
    loaded = Machine.load(tmp_path / "a.irqvisor")
    assert loaded.owned_pages <= used
    assert loaded.digest() == machine.digest()


def test_forks_that_have_copied_enough_get_a_new_base_and_copy_nothing(original):
    machine = original.fork()
    machine.memory[0x100000:0x180000] = b"x" * 0x80000
    copied = [machine.fork().owned_pages for _ in range(5)]
    assert copied[0] >= 128
    assert copied[1:] == [0] * 4
    twin = machine.fork()
    twin.memory[FAR] = 1
    assert twin.fork().owned_pages == 1


def test_a_chain_of_forks_gets_new_bases_too(original):
    machine = settled(original)
    owned = []
    for k in range(200):
        machine.memory[(k % 256) * PAGE + 0x100000] = 1 + k % 255
        machine = machine.fork()
        owned.append(machine.owned_pages)
    assert max(owned) < 40
    assert machine.digest() == expected_digest(machine)


def test_without_room_for_a_new_base_forks_go_on(original, monkeypatch):
    machine = original.fork()
    machine.memory[0x100000:0x180000] = b"x" * 0x80000

    def full():
        raise OSError("no room")

    monkeypatch.setattr(ram, "new_file", full)
    twins = [machine.fork() for _ in range(5)]
    assert {twin.owned_pages for twin in twins} == {machine.owned_pages}
    assert {twin.digest() for twin in twins} == {expected_digest(machine)}


# ----------------------------------------------------------------------------------------------- the operating system


@pytest.mark.slow
@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="needs /proc")
def test_a_thousand_forks_hold_one_descriptor_and_give_it_back(original):
    gc.collect()
    before = len(list(DESCRIPTORS.iterdir()))
    machine = settled(original)
    twins = [machine.fork() for _ in range(1000)]
    for twin in twins:
        twin.memory[FAR] = 1
    assert len(list(DESCRIPTORS.iterdir())) == before + 1
    mappings = len(Path("/proc/self/maps").read_text().splitlines())
    view = twins[0].memory._bytes[FAR : FAR + 1]
    del twins, twin, machine
    gc.collect()
    assert len(list(DESCRIPTORS.iterdir())) == before
    assert len(Path("/proc/self/maps").read_text().splitlines()) < mappings - 900
    assert view[0] == 1  # a view keeps its memory


@pytest.mark.parametrize("lacking", ["memfd_create", "mmap of the C library", "both"])
def test_it_works_where_the_system_has_less(original, monkeypatch, lacking):
    if lacking != "mmap of the C library":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    if lacking != "memfd_create":
        monkeypatch.setattr(ram, "LIBC", None)
    machine = settled(original)
    machine.memory[FAR] = 3
    twin = settled(machine).fork()
    twin.memory[FAR] = 4
    assert (machine.memory[FAR], twin.memory[FAR]) == (3, 4)
    assert twin.memory[0:FAR] == original.memory[0:FAR]
    assert twin.digest() == expected_digest(twin)


@pytest.mark.skipif(ram.LIBC is None, reason="needs the C library's mmap")
def test_a_mapping_that_is_refused_says_why():
    with pytest.raises(OSError, match="guest memory"):
        ram.private_mapping(-1, 1 << 60)


# ------------------------------------------------------------------------------------------- any order of everything

SIZE = 384 * PAGE
places = st.integers(0, SIZE - 9) | st.integers(0, 383).map(lambda page: min(page * PAGE + PAGE - 4, SIZE - 9))
steps = st.one_of(
    st.tuples(st.just("fork"), st.integers(0, 7)),
    st.tuples(st.just("drop"), st.integers(0, 7)),
    st.tuples(st.just("renew"), st.integers(0, 7)),
    st.tuples(st.just("digest"), st.integers(0, 7)),
    st.tuples(st.just("reload"), st.integers(0, 7)),
    st.tuples(st.just("guest"), st.integers(0, 7), places, st.integers(0, 255)),
    st.tuples(st.just("device"), st.integers(0, 7), places, st.sampled_from([1, 2, 4, 8]), st.integers(0, 255)),
    st.tuples(st.just("outside"), st.integers(0, 7), places, st.binary(max_size=8)),
)


@pytest.fixture(scope="module")
def storing():
    """A machine of 1.5 MiB that stores r4 to r3 for ever, one doubleword a turn: its code is decoded."""
    machine = ready(scenario(SIZE // 1024), "rhype")
    guest = Parked(machine)
    guest.park(asm.std(4, 0, 3))
    guest.cpu.gpr[3] = FAR
    machine.run(cycles=100)
    return machine


@pytest.mark.slow
@settings(max_examples=60)
@given(history=st.lists(steps, max_size=40))
def test_memory_agrees_with_plain_bytes(storing, tmp_path_factory, history):
    machines = [storing.fork()]
    plain = [bytearray(storing.ram)]
    path = tmp_path_factory.getbasetemp() / "any.irqvisor"
    code = range(Parked.HERE - 8, Parked.HERE + 8)
    for action, number, *rest in history:
        which = number % len(machines)
        machine, memory = machines[which], plain[which]
        if action == "fork" and len(machines) < 8:
            machines.append(machine.fork())
            plain.append(bytearray(memory))
        elif action == "drop" and len(machines) > 1:
            del machines[which], plain[which]
        elif action == "renew":
            machine.base.copied = 1 << 40
        elif action == "digest":
            assert machine.digest() == expected_digest(machine)
        elif action == "reload":
            machine.save(path)
            machines[which] = Machine.load(path)
        elif action == "guest" and rest[0] not in code:
            at, byte = rest
            cpu = machine.views[Table.CONTEXT][0]
            cpu.nip, cpu.gpr[3], cpu.gpr[4] = Parked.HERE, at, int.from_bytes([byte] * 8, "big", signed=True)
            machine.run(cycles=20)
            memory[at : at + 8] = bytes([byte] * 8)
        elif action == "device" and rest[0] not in code:
            at, size, byte = rest
            loop.write_ram(machine.arrays, at, size, int.from_bytes([byte] * size, "big", signed=True))
            memory[at : at + size] = bytes([byte] * size)
        elif action == "outside" and rest[0] not in code:
            at, data = rest
            machine.memory[at : at + len(data)] = data
            memory[at : at + len(data)] = data
    for machine, memory in zip(machines, plain, strict=True):
        assert bytes(machine.memory) == memory
        assert machine.digest() == expected_digest(machine)
        filled = np.flatnonzero(np.frombuffer(memory, np.uint8).reshape(-1, PAGE).any(axis=1))
        assert machine.filled_pages().tolist() == filled.tolist()
