"""A pytest plugin: an interrupt at every instant of a guest, as a test (docs/how-to/test-my-handler.md).

    @irqvisor.explore(image="handler.elf", design="rhype")
    def test_my_handler(): ...

A marked test explores before its body runs, and fails with the findings. One that asks for the fixture `exploration`
gets the report and judges by itself. Nothing heavy is imported before a marked test runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from irqvisor.lab.explore.question import Question
    from irqvisor.lab.explore.report import Report

MARKER = "irqvisor_explore"
OF_SCENARIO = ("devices", "before", "trigger", "ram_kib", "slots", "cpu")
"""Arguments of the marker that say what the machine is; all others are those of `question.ask`."""
REPORT = pytest.StashKey[Any]()


def explore(**arguments: Any) -> pytest.MarkDecorator:
    """Mark a test: explore an image, or a scenario, before its body.

    Args:
        arguments: ``image=`` a path, relative to the test's file, or ``scenario=`` a name, a path, or a Scenario;
            ``design=``; with an image ``devices``, ``before``, ``trigger``, ``ram_kib``, ``slots``, ``cpu``; and
            ``window``, ``injections``, ``sources``, ``bound``, ``max_latency_ns``, ``reentry``, ``judges``.
    """
    mark: pytest.MarkDecorator = getattr(pytest.mark, MARKER)
    return mark.with_args(**arguments)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that runs one finding again."""
    group = parser.getgroup("irqvisor")
    group.addoption(
        "--irqvisor-replay",
        metavar="REPRO",
        help="run only this finding again, in tests marked with irqvisor.explore: what a failed one printed, or a file",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", f"{MARKER}(image, design, ...): explore a guest; see irqvisor.explore")


def question_of(item: pytest.Item) -> Question:
    """What a marked test asks."""
    from irqvisor.errors import UsageError
    from irqvisor.lab import scenario as scenarios
    from irqvisor.lab.explore import handler, question

    marker = item.get_closest_marker(MARKER)
    assert marker is not None
    arguments = dict(marker.kwargs)
    image, scenario = arguments.pop("image", None), arguments.pop("scenario", None)
    design = arguments.pop("design", None)
    if marker.args or design is None or (image is None) == (scenario is None):
        raise UsageError(item.nodeid, "irqvisor.explore needs design=, and image= or scenario=", "names, not positions")
    if image is not None:
        options = {name: arguments.pop(name) for name in OF_SCENARIO if name in arguments}
        chosen = handler.scenario_of(item.path.parent / Path(image), **options)
    else:
        chosen = scenario if isinstance(scenario, scenarios.Scenario) else scenarios.load(scenario)
    return question.ask(chosen, design, **arguments)


def report_of(item: pytest.Item) -> Report:
    """The exploration of a marked test, done once."""
    from irqvisor.lab.explore import report, search

    if REPORT not in item.stash:
        item.stash[REPORT] = report.Report(search.explore(question_of(item)))
    found: Report = item.stash[REPORT]
    return found


@pytest.fixture
def exploration(request: pytest.FixtureRequest) -> Report:
    """The report of the exploration that the test's marker asks for: findings and certificate."""
    if request.node.get_closest_marker(MARKER) is None:
        pytest.fail("the fixture `exploration` is for tests marked with irqvisor.explore", pytrace=False)
    return report_of(request.node)


def pytest_runtest_call(item: pytest.Item) -> None:
    """Explore before the body of a marked test, unless it judges by itself; or run one finding again."""
    if item.get_closest_marker(MARKER) is None:
        return
    word = item.config.getoption("--irqvisor-replay")
    if word:
        replay(item, str(word))
    elif "exploration" not in getattr(item, "fixturenames", ()):
        check(item)


def replay(item: pytest.Item, word: str) -> None:
    """Fail with the explanation of a finding if it is this test's; skip the test if not."""
    from irqvisor.lab.explore import repro

    data = repro.decode(word)
    asked = question_of(item)
    if (asked.scenario.name, asked.design) != (data["scenario"]["name"], data["design"]):
        pytest.skip("the finding is another test's")
    own = [domain.image for domain in asked.scenario.domains if domain.image]
    theirs = [domain["image"] for domain in data["scenario"]["domains"] if domain.get("image")]
    moved = repro.with_images(data, dict(zip(theirs, own, strict=False)))
    found = repro.replay(moved, "--irqvisor-replay")
    pytest.fail("\n".join(found.lines), pytrace=False)


def check(item: pytest.Item) -> None:
    """Fail with the findings, and how to get the first one again."""
    from irqvisor.lab.explore import repro, text

    found = report_of(item)
    if not found.findings:
        return
    word = repro.encode(repro.describe(found.exploration.question, found.findings[0]))
    pytest.fail("\n".join([*text.lines(found), "", f"--irqvisor-replay={word}"]), pytrace=False)
