"""The rhype front end of the bundled guests is one for PAPR: it runs on QEMU's pseries as it does here."""

import shutil
import subprocess

import pytest

from irqvisor.guest.image import IMAGES, Image
from irqvisor.lab import boot
from irqvisor.lab.bench.runners import QEMU, QEMU_OPTIONS, QEMU_QUIET
from irqvisor.lab.scenario import Scenario
from irqvisor.machine import Machine

FILE = IMAGES / "self-test.elf"
RAM_BYTES = 64 << 10
PATIENCE_S = 60
SAID = """\
begin
sent to itself: external 0x4, decrementer 0x0
decrementer: external 0x4, decrementer 0x4
held off: external 0x4, decrementer 0x4
taken: external 0x5, decrementer 0x5
slept: external 0x5, decrementer 0x9
end
"""


@pytest.mark.compiled
def test_the_front_end_for_rhype_passes_its_self_test():
    domain = {"name": "guest", "image": str(FILE), "ram_kib": RAM_BYTES // 1024}
    scenario = {"name": "self-test", "cpu": "power8", "duration_ms": 100, "domains": [domain]}
    machine = Machine.from_scenario(Scenario.model_validate(scenario), design="rhype")
    machine.run()
    assert machine.console == SAID


@pytest.mark.compiled
def test_the_pseries_board_prints_the_same_when_it_boots_it():
    machine = boot.boot(FILE, firmware=True)
    ending = boot.run(machine)
    assert (machine.console, ending.stop) == (SAID, "power-off")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"{QEMU} is not installed")
def test_qemus_pseries_prints_the_same(tmp_path):
    firmware = tmp_path / "self-test.bin"
    firmware.write_bytes(Image.load(FILE).place(RAM_BYTES))
    command = [QEMU, *QEMU_OPTIONS, *QEMU_QUIET, "-bios", str(firmware)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.stdout.decode() == SAID
    assert done.returncode == 0
