"""Nothing is found in the guests that come with irqvisor, in any design: thousands of instants, hundreds in pairs."""

import pytest

from irqvisor.lab import scenario as scenarios
from irqvisor.lab.explore import question, report, search
from irqvisor.spec.designs import NUMBERS

pytestmark = [pytest.mark.compiled, pytest.mark.slow]

CASES = {
    "level": ["sources.disk.trigger=level"],
    "long": ["sources.disk.arrival.before=8", "domains.sleeper.handler_work=20"],
    "tight": ["sources.disk.slots=2", "domains.sleeper.handler_work=0"],
}


NEIGHBOUR = {"name": "neighbour", "ram_kib": 64, "pcpu": 0, "compute": True, "compute_unit": 3}


def certified(design, settings, **options):
    scenario = scenarios.with_overrides(scenarios.load("wake-up"), settings)
    return report.Report(search.explore(question.ask(scenario, design, **options)))


def shared():
    """The scenario, and a domain on the same pCPU that computes: interrupts find the wrong one running."""
    one = scenarios.load("wake-up")
    domains = [{"name": d.name, "ram_kib": d.ram_kib, "pcpu": 0, "handler_work": d.handler_work} for d in one.domains]
    disk = {"name": "disk", "owner": "sleeper", "arrival": {"kind": "free", "before": 2}}
    return scenarios.from_dict(
        {"name": "shared", "duration_ms": 1, "domains": [*domains, NEIGHBOUR], "sources": [disk]}, "shared"
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("design", list(NUMBERS))
def test_single_injections(design, case):
    found = certified(design, CASES[case])
    assert found.findings == []
    assert found.is_complete
    if case == "long":
        assert found.counts["instants"] >= 2000


@pytest.mark.parametrize("design", list(NUMBERS))
def test_pairs(design):
    found = certified(design, ["sources.disk.arrival.before=3"], injections=2, window=500)
    assert found.findings == []
    assert found.is_complete
    assert found.counts["instants"] == 500
    assert found.counts["pairs"] > 1000


@pytest.mark.parametrize("design", list(NUMBERS))
def test_a_pcpu_that_two_domains_share(design):
    power8 = {} if design == "direct" else {"cpu": "power8"}
    found = report.Report(search.explore(question.ask(shared(), design, window=2000, **power8)))
    assert found.findings == []
    assert found.is_complete
    assert found.counts["instants"] == 2000
    pairs = report.Report(search.explore(question.ask(shared(), design, window=200, injections=2, **power8)))
    assert pairs.findings == []
    assert pairs.counts["pairs"] > 200


@pytest.mark.parametrize("design", list(NUMBERS))
def test_a_guest_that_computes(design):
    """And holds interrupts off meanwhile; it looks at what came when it lets them in again."""
    busy = ["domains.sleeper.compute=true", "domains.sleeper.compute_unit=3", "domains.sleeper.hold_units=1"]
    found = certified(design, [*busy, "domains.sleeper.handler_work=0"], window=2000)
    assert found.findings == []
    assert found.is_complete
