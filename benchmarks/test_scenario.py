"""Whole runs: the default scenario under each design, and `irqvisor compare` as a process of its own."""

import pytest

from irqvisor.lab import runner, scenario

pytestmark = pytest.mark.benchmark(group="scenario")

AIM_WARM_S = 20
AIM_PEAK_MIB = 1024


def test_disk_and_net(design, benchmark, fastest, figure):
    """Boot, 200 ms of recorded interrupts, drain, books."""
    taken = fastest(
        lambda chosen: runner.run(chosen, design), lambda: scenario.load(scenario.DEFAULT), rounds=2, warm_up=0
    )
    assert taken.result["lost"] == taken.result["pending"] == 0
    rate = taken.result["guest_instructions"] / taken.wall / 1e6
    benchmark.extra_info.update(guest_instructions=taken.result["guest_instructions"], million_per_second=rate)
    figure(f"disk-and-net under {design}", taken.wall, taken.cpu, "s")


def test_compare(benchmark, run_command, figure):
    """The default comparison with compiled code at hand, from the start of the process to its end."""
    done = benchmark.pedantic(run_command, args=("-m", "irqvisor", "compare"), rounds=1)
    benchmark.extra_info.update(cpu_s=done.seconds.cpu, peak_mib=done.peak_bytes / 2**20)
    figure("compare, warm", done.seconds.wall, None, "s", at_most=AIM_WARM_S)
    figure("compare, warm: peak memory", done.peak_bytes / 2**20, None, "MiB", at_most=AIM_PEAK_MIB)
