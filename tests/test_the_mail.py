"""The page that answers the mail says what its script finds, and no other number."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "the-mail.md"
SCRIPT = ROOT / "scripts" / "the_mail.py"


def written_by_hand():
    """The page without its generated blocks, code, links and names."""
    text = re.sub(r"<!-- begin ([\w-]+) -->.*?<!-- end \1 -->", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return re.sub(r"`[^`]*`", "", text)


def test_what_is_written_by_hand_has_no_number_that_a_run_could_change():
    allowed = {"2006", "2017", "0", "500", "970", "64"}  # years, the vector, the processor, ia64
    numbers = set(re.findall(r"\d+", written_by_hand()))
    assert numbers <= allowed


def test_every_block_of_the_script_is_on_the_page_and_the_other_way_round():
    made = set(re.findall(r'^        "([\w-]+)": ', SCRIPT.read_text(encoding="utf-8"), re.MULTILINE))
    begun = re.findall(r"<!-- begin ([\w-]+) -->", PAGE.read_text(encoding="utf-8"))
    assert len(begun) == len(set(begun))
    assert set(begun) == made


def test_the_plots_are_pictures_with_the_designs_in_them():
    for path in sorted((PAGE.parent / "the-mail").glob("*.svg")):
        text = path.read_text(encoding="utf-8")
        assert ET.fromstring(text).tag.endswith("svg")
        assert ">rhype</text>" in text
        assert ">xen-ppc</text>" in text
        assert f"the-mail/{path.name}" in PAGE.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.compiled
def test_the_blocks_that_are_quickly_made_are_current():
    command = [sys.executable, str(SCRIPT), "--check", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
