"""The guest in docs/reference/paravirt-board.md: it builds as the page says, and it works."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from irqvisor.guest.image import Image
from irqvisor.lab import runner, scenario

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "paravirt-board.md"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.compiled,
    pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="needs the ziglang wheel"),
]


@pytest.fixture(scope="module")
def minimal(tmp_path_factory):
    """The page's guest, built by the page's command."""
    text = PAGE.read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("guest")
    source, image = folder / "minimal.S", folder / "minimal.elf"
    source.write_text(re.search(r"```asm\n(.*?)```", text, re.DOTALL)[1], encoding="utf-8")
    command = re.search(r"^\$ python (-m ziglang cc .*)$", text, re.MULTILINE)[1]
    paths = {"minimal.S": str(source), "minimal.elf": str(image)}
    arguments = [paths.get(word, word) for word in shlex.split(command)]
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return image


def test_its_vectors_are_where_the_processor_looks(minimal):
    image = Image.load(minimal)
    assert image.describe(image.entry) == "_start"
    assert int.from_bytes(image.place(0x10000)[0x500:0x504], "big") >> 26 == 18  # a branch


@pytest.mark.parametrize("trigger", ["edge", "level"])
def test_it_consumes_everything_that_is_posted(minimal, trigger):
    settings = [f"domains.io.image={minimal}", f"sources.echo.trigger={trigger}", "duration_ms=5"]
    result = runner.run(scenario.with_overrides(scenario.load("closed"), settings), "rhype")
    assert result["violations"] == []
    assert result["serviced"] == result["raised"] > 1000
    assert result["lost"] == result["pending"] == 0
