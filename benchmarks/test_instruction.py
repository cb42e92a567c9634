"""Guest instructions a second: a mix of compiled C (guests/bench/mix.c), every instruction counted."""

import pytest

from irqvisor.lab.bench import measure

pytestmark = pytest.mark.benchmark(group="instruction")

COLD_INSTRUCTIONS = 1_000_000


def test_mix(benchmark, fastest, warm_mix, to_the_end, figure):
    taken = fastest(to_the_end, warm_mix, rounds=5)
    wall, cpu = (taken.result / seconds / 1e6 for seconds in taken[:2])
    benchmark.extra_info.update(instructions=taken.result, million_per_second=wall, million_per_cpu_second=cpu)
    figure("guest instructions, exactly counted", wall, cpu, "M/s", at_least=measure.AIM_MIX)


def test_mix_from_a_cold_start(benchmark, fastest, mix, figure):
    """The first million of a machine that has decoded nothing."""
    taken = fastest(lambda machine: machine.run(instructions=COLD_INSTRUCTIONS), mix, rounds=20)
    assert taken.result == COLD_INSTRUCTIONS
    wall, cpu = (taken.result / seconds / 1e6 for seconds in taken[:2])
    benchmark.extra_info.update(instructions=taken.result, million_per_second=wall, million_per_cpu_second=cpu)
    figure("the first million, nothing decoded", wall, cpu, "M/s")
