"""docs/reference/isa.md is what its script makes, and says of every instruction what executes and what tests it."""

import importlib.util
import re
from pathlib import Path

import pytest

from irqvisor.hw import ops
from irqvisor.hw.decode import INSTRUCTIONS
from irqvisor.hw.state import ISA_201, ISA_207, ISA_300

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def isa_page():
    spec = importlib.util.spec_from_file_location("isa_page", ROOT / "scripts" / "isa_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_page_is_up_to_date(isa_page):
    assert isa_page.PAGE.read_text(encoding="utf-8") == isa_page.page()


def test_every_operation_has_exactly_one_place(isa_page):
    slow = [op for family in isa_page.SLOW for op in family]
    assert len(slow) == len(set(slow))
    assert set(slow) == set(range(ops.UPDATE_END, ops.SYSTEM_END)) - {ops.ILLEGAL, ops.PAGE_END}


def test_every_instruction_is_on_the_page_once(isa_page):
    lines = re.findall(r"^\| ([a-z][a-z0-9_.\[\]]*) \| (\d+(?:/\d+)?) \|", isa_page.page(), re.MULTILINE)
    assert len(lines) == len(set(lines)) == len(INSTRUCTIONS)


def test_tests_that_the_page_cites_exist(isa_page):
    for file in set(re.findall(r"`(tests/[\w/]+\.py)", isa_page.page())):
        assert (ROOT / file).is_file()


def test_levels_are_told_as_people_say_them(isa_page):
    assert isa_page.level(ISA_201, ISA_300) == "2.01"
    assert isa_page.level(ISA_207, ISA_207) == "2.07 only"
    assert isa_page.level(ISA_201, ISA_207) == "2.01 to 2.07"


def test_the_script_says_when_the_page_is_another(isa_page, monkeypatch, tmp_path):
    monkeypatch.setattr(isa_page, "PAGE", tmp_path / "isa.md")
    monkeypatch.setattr("sys.argv", ["isa_page.py"])
    assert isa_page.main() == 0
    monkeypatch.setattr("sys.argv", ["isa_page.py", "--check"])
    assert isa_page.main() == 0
    isa_page.PAGE.write_text("another")
    assert isa_page.main() == 1
