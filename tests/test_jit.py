"""Where compiled code is kept."""

import os
import subprocess
import sys

import pytest

from irqvisor import Machine, _jit

PROGRAM = """
import numba  # by somebody else, before irqvisor could name a folder
from irqvisor import _jit
from irqvisor.hv import loop
print(loop.run._cache.cache_path)
print(_jit.CACHE_DIR)
"""


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")
def test_the_cache_folder_is_ours_whoever_imported_numba_first(tmp_path):
    environment = {**os.environ, "IRQVISOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    used, named = done.stdout.split()
    assert used.startswith(str(tmp_path))
    assert used.startswith(named)


@pytest.mark.skipif(_jit.NOJIT, reason="nothing is compiled")
def test_machine_code_is_kept_of_entries_only():
    Machine.bare().run(instructions=1)
    kept = {path.name.split("-")[0] for path in _jit.CACHE_DIR.rglob("*.nbi")}
    assert "loop.run" in kept
    assert not kept & {"loop.advance", "interpret.interpret", "stretch.stretch"}


@_jit.cold
def kept_apart(x):
    return 3 * x


@_jit.jit
def taken_in(x):
    return 5 * x


@_jit.entry
def calls_both(x):
    return kept_apart(x) + taken_in(x)


@pytest.mark.skipif(_jit.NOJIT, reason="nothing is compiled")
def test_a_cold_function_stays_one_and_others_are_inlined():
    assert calls_both(2) == 16
    (code,) = calls_both.inspect_llvm().values()
    calls = [line for line in code.splitlines() if " call " in line]
    assert any("kept_apart" in line for line in calls)
    assert not any("taken_in" in line for line in calls)
