"""A fork: one more machine that goes its own way."""

import pytest

from irqvisor.lab.bench import own

pytestmark = pytest.mark.benchmark(group="scenario")

FORKS = 1000
AIM_STATE_KIB = 64


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
