"""As large as a machine can be: every design serves it, and what is larger is refused before anything runs."""

import pytest

from irqvisor.errors import ScenarioError
from irqvisor.hv.state import VCPU
from irqvisor.hw import openpic
from irqvisor.lab import runner
from irqvisor.lab.scenario import DESIGNS, MAX_PIRQ, from_dict
from irqvisor.spec import xen

SOURCES, DOMAINS, PCPUS = 256, 64, 16


def source(s, owner="io", **keys):
    """Eight at a time, a microsecond apart, an item each 400 us; every third a level line."""
    arrival = {"kind": "periodic", "period_us": 400, "phase_us": s // 8}
    return {"name": f"s{s}", "owner": owner, "trigger": "edge" if s % 3 else "level", "arrival": arrival, **keys}


def scenario(sources, domains=({"name": "io", "ram_kib": 512},), **settings):
    return from_dict(
        {"name": "large", "duration_ms": 1, "drain_ms": 4, "domains": list(domains), "sources": sources, **settings}
    )


def served(result):
    """Whether every source's items were all consumed, each for its own delivery or with another's."""
    assert (result["violations"], result["faults"], result["lost"], result["pending"]) == ([], [], 0, 0)
    assert result["balanced"]
    return all(s["raised"] == s["serviced"] + s["coalesced"] and s["serviced"] > 0 for s in result["sources"])


@pytest.mark.compiled
@pytest.mark.parametrize("design", ["native", "rhype", pytest.param("xen-ppc", marks=pytest.mark.slow)])
def test_one_domain_is_served_by_256_sources(design):
    result = runner.run(scenario([source(s) for s in range(SOURCES)]), design)
    assert len(result["sources"]) == SOURCES
    assert served(result)


@pytest.mark.compiled
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("highest", [MAX_PIRQ, 247, 246])
def test_interrupt_numbers_may_lie_anywhere(design, highest):
    """The controller of a machine with inputs above 246 has vectors of 11 bits, another one of 8."""
    numbers = [1, 2, 63, 64, highest - 1, highest]
    result = runner.run(scenario([source(s, pirq=pirq) for s, pirq in enumerate(numbers)]), design)
    assert served(result)


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("design", DESIGNS)
def test_16_pcpus_run_64_domains_with_256_sources(design):
    domains = [{"name": f"d{d}", "compute": d % 8 == 0} for d in range(DOMAINS)]
    sources = [source(s, owner=f"d{s % DOMAINS}") for s in range(SOURCES)]
    result = runner.run(
        scenario(sources, domains, pcpus=PCPUS, scheduler={"slice_us": 50, "hdec_period_us": 50}), design
    )
    assert served(result)


def test_every_table_of_interrupt_numbers_is_long_enough():
    assert MAX_PIRQ < xen.NR_PIRQS
    assert MAX_PIRQ + 1 + openpic.INTERNAL_SOURCES <= openpic.MAX_SOURCES
    for bits in ("soft", "level"):
        assert 64 * VCPU[bits].shape[0] > MAX_PIRQ


@pytest.mark.parametrize(
    ("sources", "domains", "settings", "message"),
    [
        ([source(0, pirq=512)], 1, {}, "scenario: sources[0].pirq: found 512; expected 511 or less"),
        ([source(s) for s in range(257)], 1, {}, "scenario: sources: 257 of them; expected at most 256"),
        ([], 65, {}, "scenario: domains: 65 of them; expected at most 64"),
        ([], 1, {"pcpus": 17}, "scenario: pcpus: found 17; expected 16 or less"),
    ],
    ids=["pirq", "sources", "domains", "pcpus"],
)
def test_what_is_too_large_is_refused_with_its_limit(sources, domains, settings, message):
    with pytest.raises(ScenarioError) as error:
        scenario(sources, [{"name": "io"}, *({"name": f"d{d}"} for d in range(1, domains))], **settings)
    assert str(error.value).splitlines()[0] == message


@pytest.mark.compiled
@pytest.mark.parametrize("design", ["native", "rhype", pytest.param("xen-ppc", marks=pytest.mark.slow)])
def test_the_least_memory_that_a_domain_is_told_to_have_is_enough(design):
    sources = [source(s, slots=128) for s in range(SOURCES)]
    with pytest.raises(ScenarioError) as error:
        scenario(sources, [{"name": "io", "ram_kib": 128}])
    assert "domains[0].ram_kib: 128 is too small" in str(error.value)
    needed = int(str(error.value).partition("at least ")[2].split()[0])
    assert served(runner.run(scenario(sources, [{"name": "io", "ram_kib": needed}]), design))
