"""The shipped images against their sources, and against the rules that guests keep."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import capstone
import pytest

from irqvisor.guest.image import BUNDLED, Image

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "build_guests.py"

has_compiler = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs the ziglang wheel")


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("build_guests", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def disassembler():
    found = capstone.Cs(capstone.CS_ARCH_PPC, capstone.CS_MODE_64 | capstone.CS_MODE_BIG_ENDIAN)
    found.skipdata = True
    return found


@pytest.mark.slow
@has_compiler
def test_the_shipped_images_are_what_their_sources_build():
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@has_compiler
def test_a_shipped_image_that_differs_is_reported(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "IMAGES", tmp_path)
    monkeypatch.setattr(script, "FRONT_ENDS", {"native": ("native.c",)})
    monkeypatch.setattr(script, "WRONG", {})
    (tmp_path / "native.elf").write_bytes(b"something else")
    assert script.check() == 1
    assert "DIFFERS" in capsys.readouterr().out


@pytest.mark.parametrize("name", BUNDLED)
def test_no_instruction_of_a_bundled_kernel_names_a_floating_point_or_vector_register(name, disassembler):
    code = Image.bundled(name).segments[0]
    other_register = re.compile(r"\b(f|v|vs)\d+\b")
    shown = list(disassembler.disasm(code.data, code.address))
    assert len(shown) > 1000
    assert not [f"{i.address:#x} {i.mnemonic} {i.op_str}" for i in shown if other_register.search(i.op_str)]


@pytest.mark.parametrize(
    ("word", "unit"),
    [
        (0xC8210008, "lfd f1, 8(r1)"),
        (0xFC20102A, "fadd"),
        (0x7C2004AE, "lfdx f1, 0, r0"),
        (0x10210A84, "vector"),
        (0x7C2000CE, "lvx v1, 0, r0"),
        (0x7C001E98, "lxvd2x"),
    ],
)
def test_the_build_knows_instructions_of_other_units(script, word, unit):
    assert script.uses_other_units(word), unit


@pytest.mark.parametrize(
    ("word", "name"),
    [
        (0x7C0006AC, "eieio"),
        (0x7C0002EA, "lwaux"),
        (0x7D4018A8, "ldarx"),
        (0x7D4019AD, "stdcx."),
        (0x44000022, "sc 1"),
        (0x7CA00164, "mtmsrd"),
        (0x4C000024, "rfid"),
    ],
)
def test_the_build_lets_ordinary_instructions_pass(script, word, name):
    assert not script.uses_other_units(word), name
