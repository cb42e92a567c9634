"""The guest of the instruction benchmark: what it computes, another way of computing that gives too."""

import struct

import pytest

from irqvisor.guest.image import IMAGES, Image
from irqvisor.hv.state import Exit
from irqvisor.lab.scenario import Scenario
from irqvisor.machine import Machine
from irqvisor.tables import Table
from models import mix

PATH = IMAGES / "mix.elf"
WORDS = struct.Struct(f">{len(mix.PARTS)}Q")


@pytest.fixture(scope="module")
def image():
    return Image.load(PATH)


def one_round(image):
    """The machine after one round of the mix."""
    domain = {"name": "mix", "image": str(PATH), "ram_kib": 1024}
    scenario = Scenario.model_validate({"name": "mix", "duration_ms": 1, "domains": [domain]})
    machine = Machine.from_scenario(scenario, design="rhype")
    at = image.address_of("mix_rounds")
    machine.memory[at : at + 8] = (1).to_bytes(8, "big")
    return machine


def test_the_guest_expects_what_the_model_computes(image):
    at = image.address_of("mix_expected")
    assert dict(zip(mix.PARTS, WORDS.unpack(image.place(0x10000)[at : at + WORDS.size]), strict=True)) == dict(
        zip(mix.PARTS, mix.results(), strict=True)
    )


@pytest.mark.compiled
def test_the_guest_computes_what_the_model_computes(image):
    machine = one_round(image)
    count = machine.run()
    at = image.address_of("mix_result")
    assert list(WORDS.unpack(machine.memory[at : at + WORDS.size])) == mix.results()
    domain = machine.views[Table.DOMAIN][0]
    assert (domain.exit, domain.status) == (Exit.SHUTDOWN, 0)
    assert 5_000_000 < count < 15_000_000


@pytest.mark.compiled
def test_a_wrong_result_is_the_status_that_names_its_part(image):
    machine = one_round(image)
    at = image.address_of("mix_expected") + 8 * mix.PARTS.index("crc")
    machine.memory[at : at + 8] = bytes(8)
    machine.run()
    domain = machine.views[Table.DOMAIN][0]
    assert (domain.exit, domain.status) == (Exit.CRASHED, 1 + mix.PARTS.index("crc"))
