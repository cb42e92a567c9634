"""The project about itself: what pages cite exists, what they tell to type works, and the house rules hold."""

import ast
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import pytest
import typer

import irqvisor
from irqvisor import cli

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "irqvisor"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changelog.d").glob("*.md")])
MODULES = sorted(SOURCE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def relative(path):
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def defines(path, name):
    """The module has a function, class, method, field or constant of this (dotted) name."""
    scope = tree(path).body
    for part in name.split("."):
        for node in scope:
            names = {getattr(node, "name", None)}
            if isinstance(node, ast.Assign):
                names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names = {node.target.id}
            if part in names:
                scope = getattr(node, "body", [])
                break
        else:
            return False
    return True


# ------------------------------------------------------------------------------------------------------------ the pages
def citations():
    """Every ``hv/inject.py::inject`` of pages and docstrings: (where, file, name)."""
    for page in [*PAGES, *MODULES]:
        for file, name in re.findall(r"\b([\w/]+\.py)::([\w.]+\w)", page.read_text(encoding="utf-8")):
            yield pytest.param(file, name, id=f"{relative(page)}-{file}::{name}")


@pytest.mark.parametrize(("file", "name"), list(citations()))
def test_a_cited_name_exists(file, name):
    path = ROOT / file if file.startswith(("tests/", "scripts/", "benchmarks/")) else SOURCE / file
    assert path.is_file(), f"no file {relative(path)}"
    assert defines(path, name), f"no {name} in {relative(path)}"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), f"{relative(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_files_that_pages_name_exist(page):
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"\S*xen_ia64\S*", "", text)  # CONTRIBUTING's example of a design that is yet to be written
    for name in re.findall(r"`((?:src|tests|docs|scripts|benchmarks|guests|examples|\.ci)/[\w./-]*\w)/?`", text):
        assert (ROOT / name).exists(), f"{relative(page)} names {name}"


def commands():
    """Every ``irqvisor ...`` in a code block of a page."""
    for page in PAGES:
        for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            for line in re.findall(r"^(?:\.venv/bin/)?irqvisor (.*)$", block, re.MULTILINE):
                yield pytest.param(line, id=f"{relative(page)}: {line}")


@pytest.mark.parametrize("line", list(commands()))
def test_commands_that_pages_show_can_be_typed(line):
    words = shlex.split(line, comments=True)
    group = typer.main.get_command(cli.app)
    if words[0].startswith("-"):
        assert words in (["--help"], ["--version"])
        return
    name, *arguments = words
    assert name in group.commands
    context = group.commands[name].make_context(name, arguments)
    assert not context.args


def test_make_targets_that_pages_name_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= targets, f"{relative(page)} names {named - targets}"


def test_changelog_fragments_are_named_after_an_issue_and_a_kind():
    for path in (ROOT / "changelog.d").glob("*"):
        assert path.name == "README.md" or re.fullmatch(r"\d+\.(feature|fix|removal)\.md", path.name), path.name


# ------------------------------------------------------------------------------------------------------------- the code
def test_the_public_names_are_these_and_each_is_there():
    assert list(irqvisor.__all__) == sorted(irqvisor.__all__)
    assert {"Comparison", "Machine", "compare"} <= set(irqvisor.__all__)
    for name in irqvisor.__all__:
        assert getattr(irqvisor, name) is not None
    assert set(irqvisor.__all__) <= set(dir(irqvisor))


COMPILERS = {"jit", "njit", "vectorize", "guvectorize", "cfunc", "generated_jit", "jitclass"}


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_only_jit_decorates(path):
    """Numba's options live in one place. Its types and its extension interface may be used by others."""
    taken = [
        f"line {node.lineno}: {alias.name}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numba"
        for alias in node.names
        if alias.name in COMPILERS
    ]
    taken += [
        f"line {node.lineno}: numba.{node.attr}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in COMPILERS
        if isinstance(node.value, ast.Name) and node.value.id in ("numba", "nb")
    ]
    assert not taken or path == SOURCE / "_jit.py"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_only_the_command_line_prints(path):
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    prints = [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
    assert not prints or path == SOURCE / "cli/terminal.py", f"lines {prints}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_nothing_is_left_to_do_in_a_comment(path):
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", path.read_text(encoding="utf-8"))


DESIGNS = sorted(path.stem for path in (SOURCE / "hv" / "designs").glob("*.py") if path.stem != "__init__")


def test_the_import_contract_names_every_design():
    contracts = {contract["name"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]}
    modules = contracts["designs never import one another"]["modules"]
    assert sorted(modules) == [f"irqvisor.hv.designs.{name}" for name in DESIGNS]


HOOKS = ["setup", "on_external", "on_hcall", "on_hdec", "on_access", "before_entry", "whereabouts"]


@pytest.mark.parametrize("name", DESIGNS)
def test_designs_line_up(name):
    """Two files opened side by side show the same functions in the same order; helpers stand between them."""
    body = tree(SOURCE / "hv" / "designs" / f"{name}.py").body
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef)]
    assert [each for each in functions if each in HOOKS] == HOOKS


@pytest.mark.parametrize("name", DESIGNS)
def test_a_design_begins_with_its_journey_numbered(name):
    story = ast.get_docstring(tree(SOURCE / "hv" / "designs" / f"{name}.py")) or ""
    steps = [int(number) for number in re.findall(r"^(\d+)\. ", story, re.MULTILINE)]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= 3


# ---------------------------------------------------------------------------------------------------------- the project
def test_every_dependency_says_why_it_is_there():
    text = (ROOT / "pyproject.toml").read_text()
    for name in [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]:
        (line,) = [line for line in text.splitlines() if line.strip().startswith(f'"{name}",')]
        assert "# " in line, name


def test_the_environment_is_made_with_the_pythons_that_the_package_allows():
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["project"]["requires-python"]).groups()
    allowed = " | ".join(f"3.{minor}" for minor in range(int(low), int(high)))
    script = (ROOT / "scripts" / "bootstrap").read_text()
    assert f"{allowed}) ;;" in script
    assert f"needs 3.{low} to 3.{int(high) - 1}" in script


def test_what_ships_with_the_package_matches_what_is_there():
    globs = PROJECT["tool"]["setuptools"]["package-data"]["irqvisor"]
    shipped = {path for pattern in globs for path in SOURCE.glob(pattern) if path.is_file()}
    data = {path for path in SOURCE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert data == shipped
