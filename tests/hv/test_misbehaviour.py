"""What guests do wrong has a clear outcome, and the other domain on the machine loses nothing by it.

Two domains share the pCPU: "bad" misbehaves after its ready mark, "good" sleeps between its interrupts. Under native
they are one kernel, and there is nobody else to protect.
"""

import re

import pytest

from hv.harness import DESIGNS, HYPERVISORS, of, periodic, small
from irqvisor.lab import runner

pytestmark = pytest.mark.compiled

STOPPED = {"jump-nowhere", "overwrite-ring", "report-failure"}
PLACE = re.compile(r"cycle \d+, domain 0 \(bad(\+good)?\), vCPU 0, pc 0x[0-9a-f]{4,} in (\w+)\+0x[0-9a-f]+: (.*)")


def work(deed, trigger="edge", pcpus=1, **settings):
    def source(name, owner, period):
        return {"name": name, "owner": owner, "trigger": trigger, "arrival": periodic(period)}

    return small(
        [{"name": "bad", "pcpu": 0, "misbehave": deed}, {"name": "good", "pcpu": 0}],
        [source("b", "bad", 110), source("g", "good", 100)],
        pcpus=pcpus,
        duration_ms=6,
        **settings,
    )


def place(line):
    """(function, what it did) of a message that names cycle, domain, vCPU, pc and symbol."""
    found = PLACE.fullmatch(line)
    assert found, line
    return found[2], found[3]


def all_served(result, name):
    row = of(result, name)
    return row["serviced"] + row.get("coalesced", 0) == row["raised"]


@pytest.mark.parametrize("design", HYPERVISORS)
@pytest.mark.parametrize("pcpus", [1, 2])
@pytest.mark.parametrize(
    "deed",
    [
        "never-eoi",
        "mask-all",
        "jump-nowhere",
        "overwrite-ring",
        "flood-port",
        "unrecoverable",
        "forget-recheck",
        "report-failure",
    ],
)
def test_the_other_domain_loses_nothing(design, deed, pcpus):
    result = runner.run(work(deed, pcpus=pcpus), design)
    assert all_served(result, "g")
    assert (result["lost"], result["rescued"], result["balanced"]) == (0, 0, True)


@pytest.mark.parametrize("design", HYPERVISORS)
@pytest.mark.parametrize("deed", sorted(STOPPED | {"flood-port", "unrecoverable"}))
def test_a_level_line_of_a_stopped_domain_holds_nobody_off(design, deed):
    result = runner.run(work(deed, "level"), design)
    assert all_served(result, "g")


@pytest.mark.parametrize("design", ["xen-ppc", "xen-x86"])
@pytest.mark.parametrize("deed", ["never-eoi", "mask-all"])
def test_a_level_interrupt_never_ended_starves_the_neighbours_where_the_eoi_is_deferred(deed, design):
    """The price of the deferred EOI (Xen/PPC, external.c): nothing of that priority gets through on the pCPU."""
    starved = runner.run(work(deed, "level"), design)
    assert of(starved, "g") == {"raised": 60, "lost": 60}
    assert starved["violations"] == ["60 interrupts lost (g 60)"]
    assert all_served(runner.run(work(deed, "level"), "rhype"), "g")


@pytest.mark.parametrize("design", DESIGNS)
def test_jump_nowhere_is_reported_with_its_place(design):
    result = runner.run(work("jump-nowhere"), design)
    (line,) = result["violations"]
    assert place(line) == ("unexpected_interrupt", "reported failure (status 1024)")  # its own handler at 0x400
    assert result["pending_by_rule"]["owner stopped"] >= of(result, "b")["pending"] == 55


@pytest.mark.parametrize("design", DESIGNS)
def test_a_lying_doorbell_is_a_fault_of_the_guest(design):
    result = runner.run(work("overwrite-ring"), design)
    (line,) = result["faults"]
    assert place(line)[0] == "overwrite_ring"
    assert "source b" in line


@pytest.mark.parametrize("design", DESIGNS)
def test_a_guest_that_reports_failure_is_a_violation(design):
    result = runner.run(work("report-failure"), design)
    (line,) = result["violations"]
    assert place(line) == ("report_failure", "reported failure (status 1)")


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("trigger", ["edge", "level"])
def test_interrupts_that_the_owner_masks_are_pending_by_ee(design, trigger):
    result = runner.run(work("mask-all", trigger), design)
    assert of(result, "b") == {"raised": 55, "pending": 55}
    assert result["pending_by_rule"]["EE"] >= 55


@pytest.mark.parametrize(
    ("design", "trigger"),
    [
        *((design, trigger) for design in ("native", "rhype", "hybrid", "direct") for trigger in ("edge", "level")),
        ("xen-ppc", "level"),
        ("xen-x86", "level"),
        ("xen-ia64", "edge"),
        ("xen-ia64", "level"),
    ],
)
def test_what_an_interrupt_never_ended_holds_off_is_pending_by_priority(design, trigger):
    result = runner.run(work("never-eoi", trigger), design)
    assert of(result, "b") == {"raised": 55, "serviced": 1, "pending": 54}
    assert result["pending_by_rule"]["priority"] >= 54


@pytest.mark.parametrize("design", ["xen-ppc", "xen-x86"])
def test_an_edge_needs_no_eoi_of_the_guest_where_there_are_event_channels(design):
    assert of(runner.run(work("never-eoi"), design), "b") == {"raised": 55, "serviced": 55}


@pytest.mark.parametrize("design", DESIGNS)
def test_a_guest_that_floods_itself_is_served_and_is_not_spurious(design):
    result = runner.run(work("flood-port"), design)
    assert all_served(result, "b")
    assert all_served(result, "g")
    # One that comes after upcall_pending was cleared and before the selector was taken goes with the one before
    assert result["spurious"] <= (2 if design in ("xen-x86", "xen-ia64") else 0)
    if design not in ("native", "direct"):  # which have no hypervisor on the way
        assert result["hypervisor_cycles"] > result["guest_cycles"] / 2


@pytest.mark.parametrize("design", ["native", "rhype", "xen-x86", "hybrid", "direct"])
def test_ri_off_hurts_nobody_where_hardware_delivers_or_srr0_and_srr1_are_left_alone(design):
    result = runner.run(work("unrecoverable"), design)
    assert all_served(result, "b")
    assert result["faults"] == []


def test_ee_on_and_ri_off_ends_the_domain_under_xen_ppc():
    result = runner.run(work("unrecoverable"), "xen-ppc")
    (line,) = result["faults"]
    where, what = place(line)
    assert where == "compute_unit"
    assert what.startswith("had EE=1 and RI=0 with an event pending")
    assert of(result, "b") == {"raised": 55, "pending": 55}


def test_ee_on_and_ri_off_takes_everybody_down_with_the_historical_defect():
    result = runner.run(work("unrecoverable", pcpus=2, defects=["unrecoverable-panics"]), "xen-ppc")
    assert len(result["faults"]) == 2
    assert all("went down with its hypervisor" in line for line in result["faults"])
    assert result["pending_by_rule"] == {"owner stopped": result["raised"]}
    assert result["lost"] == 0


def test_a_forgotten_recheck_shows_as_rescued_under_xen_ppc():
    """Events that come while EE is off wait for luck: whatever enters the hypervisor next."""
    careless = runner.run(gap("forget-recheck"), "xen-ppc")
    assert careless["rescued"] > 0
    assert careless["lost"] == 0
    assert sum(careless["rescued_by"].values()) == careless["rescued"]


@pytest.mark.parametrize("design", ["xen-x86", "xen-ia64"])
def test_where_the_enable_is_in_memory_a_forgotten_look_leaves_it_to_luck_too(design):
    """This guest is found with interrupts on so seldom that nobody is so lucky."""
    careless = runner.run(gap("forget-recheck"), design)
    assert careless["rescued"] + careless["pending"] > 0
    assert careless["lost"] == 0


@pytest.mark.parametrize("deed", [None, "forget-recheck"])
def test_other_designs_have_no_such_gap(deed):
    for design in ("native", "rhype", "hybrid", "direct"):
        result = runner.run(gap(deed), design)
        assert (result["rescued"], result["lost"], result["pending"]) == (0, 0, 0)


def gap(deed):
    """A guest that works with EE off for most of the time, and another whose turn comes often."""
    bad = {"name": "bad", "compute": True, "compute_unit": 50, "hold_units": 40}
    return small(
        [{**bad, "misbehave": deed} if deed else bad, {"name": "calc", "compute": True}],
        [{"name": "b", "owner": "bad", "arrival": {"kind": "poisson", "mean_us": 50}}],
        duration_ms=10,
        scheduler={"slice_us": 100, "hdec_period_us": 50},
    )
