"""What a finished machine says, against the same computed from its event log."""

import numpy as np
import pytest

from hv.harness import DESIGNS, Parked, booted, finished, kinds, logged, periodic, small
from irqvisor.errors import InvariantError
from irqvisor.lab import metrics, runner
from irqvisor.spec import xen
from irqvisor.spec.power_isa import MSR_EE
from irqvisor.tables import Table
from irqvisor.trace import SUB, Kind

pytestmark = pytest.mark.compiled


def work(**changes):
    return small(
        [{"name": "io"}, {"name": "calc", "compute": True}],
        [
            {"name": "disk", "owner": "io", "slots": 4096, "arrival": {"kind": "poisson", "mean_us": 20}},
            {"name": "net", "owner": "calc", "slots": 4096, "arrival": {"kind": "poisson", "mean_us": 30}},
        ],
        **{"duration_ms": 10, "scheduler": {"slice_us": 50, "hdec_period_us": 50}, **changes},
    )


@pytest.fixture(scope="module", params=DESIGNS)
def run(request):
    """(result, log, clock) of a design."""
    scenario = work()
    result, log = logged(scenario, request.param)
    return result, log, runner.header(scenario)["clock_hz"]


def latencies(log):
    """Cycles from the posting to the consumption of each item, from the log alone."""
    found = []
    for s in (0, 1):
        mine = log[log["source"] == s]
        posted = mine[(mine["kind"] == int(Kind.RAISE)) | (mine["kind"] == int(Kind.COALESCE))]["cycle"]
        consumed = kinds(mine, Kind.SERVICE)
        found.append(consumed["cycle"] - posted[consumed["value"]])
    return np.concatenate(found)


def test_latency_counts_every_item_and_its_mean_and_maximum_are_exact(run):
    result, log, clock = run
    exact = latencies(log) * 1e9 / clock
    told = result["latency_ns"]
    assert told["count"] == len(exact) == result["raised"] > 500
    assert told["mean"] == pytest.approx(exact.mean(), abs=0.06)
    assert told["max"] == pytest.approx(exact.max(), abs=0.06)


@pytest.mark.parametrize("percent", metrics.PERCENTILES)
def test_percentiles_are_within_half_a_bucket(run, percent):
    result, log, clock = run
    exact = np.percentile(latencies(log), percent, method="inverted_cdf") * 1e9 / clock
    assert result["latency_ns"][f"p{percent}"] == pytest.approx(exact, rel=1 / (2 * SUB) + 1e-4)


def test_stages_add_up_to_the_mean_from_raise_to_completion(run):
    result, log, clock = run
    raised = kinds(log, Kind.RAISE)
    ended = kinds(log, Kind.COMPLETE, value=0)  # 1: it found an empty ring
    began = dict(zip(raised["id"].tolist(), raised["cycle"].tolist(), strict=True))
    whole = [int(r["cycle"]) - began[int(r["id"])] for r in ended]
    assert sum(result["stages_ns"].values()) == pytest.approx(np.mean(whole) * 1e9 / clock, abs=0.3)


def test_vector_and_known_latency_count_journeys(run):
    result, log, clock = run
    known = kinds(log, Kind.KNOW)
    raised = kinds(log, Kind.RAISE)
    began = dict(zip(raised["id"].tolist(), raised["cycle"].tolist(), strict=True))
    exact = np.array([int(r["cycle"]) - began[int(r["id"])] for r in known]) * 1e9 / clock
    assert result["known_latency_ns"]["count"] == result["vector_latency_ns"]["count"] == len(known)
    assert result["known_latency_ns"]["mean"] == pytest.approx(exact.mean(), abs=0.06)
    assert result["vector_latency_ns"]["mean"] < result["known_latency_ns"]["mean"]


def test_all_time_is_accounted_for(run):
    result, _, clock = run
    whole = result["hypervisor_cycles"] + result["guest_cycles"] + result["idle_cycles"]
    assert whole == pytest.approx(0.010 * clock, abs=20_000)
    assert min(result["hypervisor_cycles"], result["guest_cycles"], result["idle_cycles"]) >= 0
    assert result["guest_instructions"] * 2 <= result["guest_cycles"]


def test_entries_per_interrupt_is_entries_over_deliveries(run):
    result, log, _ = run
    entries = sum(result["hypervisor_entries"].values())
    assert result["entries_per_interrupt"] == round(entries / result["serviced"], 3)
    assert entries <= len(kinds(log, Kind.ENTER_HV))  # the log has those of the boot too


@pytest.mark.parametrize("bucket", [0, 1, 31, 32, 63, 64, 100, 500, 1000])
def test_a_buckets_value_is_in_the_middle_of_what_it_counts(bucket):
    low, high = (metrics.histogram_value(b) for b in (bucket, bucket + 1))
    assert low < high
    assert high - low <= max(1, 1.07 * low / SUB)


@pytest.mark.parametrize("kind", ["raised", "serviced", "coalesced", "dropped"])
@pytest.mark.parametrize("change", [1, -1])
def test_a_cooked_counter_does_not_balance(monkeypatch, kind, change):
    def cook(machine, progress=None):
        finish(machine, progress)
        machine.views[Table.JOURNEY][0][kind] += change

    finish = runner.finish
    monkeypatch.setattr(runner, "finish", cook)
    with pytest.raises(InvariantError, match="books do not balance: disk"):
        runner.run(work(duration_ms=1), "rhype")


@pytest.mark.parametrize("field", ["head", "tail"])
def test_an_item_consumed_behind_the_books_does_not_balance(field):
    machine = finished(work(duration_ms=1), "rhype")
    assert metrics.fates(machine)["balanced"]
    machine.views[Table.SOURCE][1][field] += 1 if field == "head" else -1
    books = metrics.fates(machine)
    assert [text.split(":")[0] for text in books["unbalanced"]] == ["net"]


@pytest.mark.parametrize("design", DESIGNS)
def test_an_item_that_went_with_an_earlier_delivery_leaves_no_journey_behind(design):
    scenario = small(
        [{"name": "io", "handler_work": 1000}],
        [{"name": "a", "owner": "io", "trigger": "level", "arrival": {"kind": "manual"}}],
        duration_ms=20,
    )
    machine = booted(scenario, design)
    machine.raise_irq(1)
    machine.run(cycles=6000)
    machine.raise_irq(1)  # while the first is handled; its line never falls in between
    machine.run(cycles=1_000_000)
    machine.raise_irq(1)
    machine.run(cycles=100_000)
    assert metrics.fates(machine)["serviced"] + metrics.fates(machine)["coalesced"] == 3
    assert machine.views[Table.OBSERVED][0].largest[1] < 20_000


# ------------------------------------------------------------------------------------------------- what is left over


@pytest.fixture(scope="module")
def stopped():
    """A xen-ppc machine with one item for a guest that spins with EE on and looks at nothing."""
    scenario = small([{"name": "io", "compute": True}], [{"name": "a", "owner": "io", "arrival": {"kind": "manual"}}])
    machine = booted(scenario, "xen-ppc")
    guest = Parked(machine)
    guest.park(msr=guest.cpu.msr | MSR_EE)
    machine.raise_irq(1)
    machine.run(cycles=4000)
    assert guest.upcall == 1
    return machine


@pytest.fixture
def guest(stopped):
    twin = Parked.__new__(Parked)
    twin.machine, twin.v = stopped.fork(), 0
    return twin


def why(guest):
    books = metrics.fates(guest.machine)
    assert books["balanced"]
    return books["pending_by_rule"] or {"lost": books["lost"]}


def test_an_item_held_off_by_ee_is_pending_by_ee(guest):
    assert guest.cpu.msr & MSR_EE == 0  # in its handler
    assert why(guest) == {"EE": 1}


def test_an_item_whose_owner_could_take_it_is_lost(guest):
    guest.cpu.msr |= MSR_EE
    assert why(guest) == {"lost": 1}


def test_an_item_that_its_owner_masks_is_pending_by_mask(guest):
    guest.cpu.msr |= MSR_EE
    guest.set_bits(xen.EVTCHN_MASK, -1 % (1 << 64))
    assert why(guest) == {"mask": 1}


def test_an_item_of_a_stopped_owner_is_pending_by_that(guest):
    guest.machine.views[Table.DOMAIN][0].alive = 0
    assert why(guest) == {"owner stopped": 1}


def test_an_item_whose_notification_is_gone_is_lost_whatever_its_owner_holds_off(guest):
    guest.set_bits(xen.EVTCHN_PENDING, 0)
    assert why(guest) == {"lost": 1}


def test_a_lost_interrupt_is_a_violation_that_names_its_source(monkeypatch):
    def lose(machine, progress=None):
        finish(machine, progress)
        machine.views[Table.SOURCE][1].head += 2
        machine.views[Table.JOURNEY][1].raised += 2

    finish = runner.finish
    monkeypatch.setattr(runner, "finish", lose)
    result = runner.run(work(duration_ms=1), "rhype")
    assert (result["lost"], result["violations"]) == (2, ["2 interrupts lost (net 2)"])


def test_a_guest_that_never_becomes_ready_is_named(monkeypatch, tmp_path):
    image = tmp_path / "spin.bin"
    image.write_bytes(Parked.SPIN.to_bytes(4, "big"))
    scenario = small(
        [{"name": "io"}, {"name": "stone", "image": str(image)}], [{"name": "a", "owner": "io", "arrival": periodic(9)}]
    )
    monkeypatch.setattr(runner, "BOOT_LIMIT_NS", 5_000_000)
    result = runner.run(scenario, "xen-ppc")
    assert result["violations"] == ["never ready: stone"]
    assert result["raised"] == 0
