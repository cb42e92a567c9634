"""Random instructions leave the same machine behind with and without the compiler, down to the last bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import random
from differential.campaign import CONFIGURATIONS, Case, MOST_UNITS, UNIT_BITS
from differential.generate import CHOICES_OF_A_STATE
rng = random.Random(4)
for configuration in CONFIGURATIONS:
    ours, setting = configuration.ours(), configuration.setting
    for _ in range(25):
        units = tuple(rng.getrandbits(UNIT_BITS) for _ in range(rng.randint(1, MOST_UNITS)))
        case = Case(units, rng.getrandbits(64), rng.randbytes(CHOICES_OF_A_STATE), rng.getrandbits(64))
        sequence, before = case.made(setting)
        ours.run(sequence.words, before)
        print(configuration, ours.completed, ours.machine.digest())
"""


@pytest.mark.slow
@pytest.mark.compiled
def test_digests_are_the_same_with_and_without_the_jit() -> None:
    found = []
    for off in ("0", "1"):
        path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "NUMBA_DISABLE_JIT": off, "PYTHONPATH": path}
        command = [sys.executable, "-c", SCRIPT]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.append(done.stdout.splitlines())
    assert found[0] == found[1]
    assert len(set(found[0])) > 190
