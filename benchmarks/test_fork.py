"""A fork: one more machine that goes its own way."""

import numpy as np
import pytest

from irqvisor.lab.bench import own
from irqvisor.machine import Machine

pytestmark = pytest.mark.benchmark(group="scenario")

FORKS = 1000
AIM_STATE_KIB = 64
FILLED_MIB = 16
"""What a large machine has in its memory beside the kernel, so that sharing matters."""


def fork(original):
    """Many forks, each dropped before the next."""
    for _ in range(FORKS):
        twin = original.fork()
    return twin


def test_fork_of_a_1_mib_machine(benchmark, fastest, figure):
    original = own.one_mib()
    taken = fastest(fork, lambda: original, rounds=5)
    assert taken.result.digest() == original.digest()
    each = taken.per(FORKS)
    benchmark.extra_info["us_per_fork"] = 1e6 * each.wall
    figure("fork of a 1 MiB machine", 1e6 * each.wall, 1e6 * each.cpu, "us", at_most=own.AIM_1_MIB_US)


def test_fork_of_the_exploration_machine(benchmark, fastest, figure):
    """Two domains of 64 KiB that share a pCPU."""
    original = own.two_domains()
    taken = fastest(fork, lambda: original, rounds=10)
    assert taken.result.digest() == original.digest()
    each = taken.per(FORKS)
    state_kib = original.state.nbytes / 1024
    benchmark.extra_info.update(us_per_fork=1e6 * each.wall, state_kib=state_kib)
    figure("fork of the two-domain machine", 1e6 * each.wall, 1e6 * each.cpu, "us", at_most=own.AIM_TWO_DOMAINS_US)
    figure("its state without RAM", state_kib, None, "KiB", at_most=AIM_STATE_KIB)


def large(mib):
    """A machine of that many MiB, some of which are filled, and what it writes after a few forks."""
    original = own.fork_machine({"name": "io", "ram_kib": mib << 10})
    filled = FILLED_MIB << 20
    original.memory[filled : 2 * filled] = np.random.default_rng(1).bytes(filled)
    for _ in range(2):
        original.fork()
    original.run(cycles=1_000_000)
    return original


@pytest.mark.parametrize("mib", [64, 1024])
def test_fork_of_a_large_machine(benchmark, fastest, figure, mib):
    original = large(mib)
    taken = fastest(fork, lambda: original, rounds=5)
    assert taken.result.digest() == original.digest()
    each = taken.per(FORKS)
    benchmark.extra_info.update(us_per_fork=1e6 * each.wall, owned_pages=taken.result.owned_pages)
    figure(f"fork of a {mib} MiB machine", 1e6 * each.wall, 1e6 * each.cpu, "us")


def test_first_digest_of_a_large_machine(fastest, figure):
    taken = fastest(Machine.digest, lambda: large(1024), rounds=3)
    figure("first digest of a 1024 MiB machine", 1e3 * taken.wall, 1e3 * taken.cpu, "ms")


def test_digest_of_a_fork_of_a_large_machine(fastest, figure):
    original = large(1024)
    digest = original.digest()
    taken = fastest(Machine.digest, original.fork, rounds=20)
    assert taken.result == digest
    figure("digest of its forks", 1e3 * taken.wall, 1e3 * taken.cpu, "ms")
