"""How long until something happens: help, the first start of all, the first instruction."""

import pytest

from irqvisor.lab.bench import own

pytestmark = pytest.mark.benchmark(group="scenario")

AIM_HELP_S = 0.5
AIM_COLD_S = 60
AIM_PEAK_MIB = 1024


def fastest_process(benchmark, run_command, *words, rounds):
    """The process with the least CPU time, and the least wall time of all."""
    done = []
    benchmark.pedantic(lambda: done.append(run_command(*words)), rounds=rounds, warmup_rounds=1)
    seconds = [process.seconds for process in done[1:]]
    return min(s.wall for s in seconds), min(s.cpu for s in seconds)


def test_help(benchmark, run_command, figure):
    wall, cpu = fastest_process(benchmark, run_command, "-m", "irqvisor", "--help", rounds=5)
    figure("irqvisor --help", wall, cpu, "s", at_most=AIM_HELP_S)


def test_first_instruction(benchmark, run_command, figure):
    """With compiled code at hand, from the start of Python."""
    wall, cpu = fastest_process(benchmark, run_command, "-c", own.FIRST_INSTRUCTION, rounds=3)
    figure("first instruction, warm start", wall, cpu, "s", at_most=own.AIM_FIRST_INSTRUCTION_S)


def test_first_compare(benchmark, run_command, figure, tmp_path):
    """The default comparison after installation: nothing is compiled yet."""
    done = benchmark.pedantic(
        run_command,
        args=("-m", "irqvisor", "compare"),
        kwargs={"IRQVISOR_CACHE_DIR": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path)},
        rounds=1,
    )
    benchmark.extra_info.update(cpu_s=done.seconds.cpu, peak_mib=done.peak_bytes / 2**20)
    figure("compare, cold", done.seconds.wall, None, "s", at_most=AIM_COLD_S)
    figure("compare, cold: peak memory", done.peak_bytes / 2**20, None, "MiB", at_most=AIM_PEAK_MIB)


def test_compilation(benchmark, run_command, figure, tmp_path):
    """All that a comparison compiles, and the start of Python."""
    done = benchmark.pedantic(
        run_command,
        args=("-m", "irqvisor", "doctor", "--compile"),
        kwargs={"IRQVISOR_CACHE_DIR": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path)},
        rounds=1,
    )
    figure("compilation, all of it", done.seconds.wall, done.seconds.cpu, "s")
