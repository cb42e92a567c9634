"""When a loss became inevitable: in guests whose answer can be read off their source."""

import pytest

from irqvisor.lab.explore import inevitable, listing, report, search, site, zoo
from irqvisor.lab.explore.finding import Place
from irqvisor.lab.explore.inevitable import Mending

pytestmark = pytest.mark.compiled


def first_finding(name):
    asked = zoo.asked(zoo.entries()[name], zoo.BUGGY)
    (injection,) = report.Report(search.explore(asked)).findings[0].injections
    return asked, site.prepare(asked), injection


def of(name):
    return inevitable.mending(*first_finding(name))


def test_what_the_handler_noted_too_late_is_found_at_the_next_wake_up():
    """cede-race: the handler has noted the item, and the guest cedes all the same. One more before it sleeps is noted
    in vain too; one that wakes it is not."""
    found = of("cede-race")
    assert found.rests
    assert found.inevitable_from is None
    assert found.mendable_from == len(found.places) - 1
    assert found.places[-1].address is None


def test_pending_without_a_selector_bit_swallows_whatever_follows():
    """unmask-without-recheck: PENDING is set while the port is masked, so a further item stops at S1."""
    found = of("unmask-without-recheck")
    assert found.rests
    assert not any(found.at_all)
    assert found.inevitable_from == 0


def test_a_mask_written_back_can_be_mended_until_interrupts_are_off():
    """mask-not-atomic: the handler of a further item unmasks the second port again, until work() disables interrupts to
    look at MASK, and reports failure."""
    found = of("mask-not-atomic")
    since = found.inevitable_from
    assert found.places[since].symbol.startswith("work+")
    assert found.at_all[since - 1]
    assert not any(found.at_all[since:])
    _, start, _ = first_finding("mask-not-atomic")
    address = found.places[since - 1].address
    word = int.from_bytes(bytes(start.memory_of(0)[address : address + 4]), "big")
    assert listing.disassembled(word, address).startswith("mtmsrd ")


def test_a_run_that_never_rests_and_one_that_is_good_have_nothing_to_mend():
    assert of("upcall-not-cleared") is None
    asked, start, injection = first_finding("cede-race")
    assert inevitable.mending(asked, start, injection._replace(instant=injection.instant - 1)) is None


def test_a_guest_that_computes_on_has_no_last_instant():
    """ee-gap: an item that comes with interrupts on makes the hypervisor look."""
    found = of("ee-gap")
    assert not found.rests
    assert found.inevitable_from is None
    assert all(found.at_all[found.mendable_from :])


def test_every_case_is_told():
    asked, start, injection = first_finding("unmask-without-recheck")
    (line,) = inevitable.told(asked, start, injection)
    assert line == "inevitable from: the post itself; one more item of disk mends it at no instant of the run"
    first, second = inevitable.told(*first_finding("mask-not-atomic"))
    assert first.startswith("inevitable from: before work+")
    assert second == "  an instruction earlier one more item of disk still mends it"
    first, second = inevitable.told(*first_finding("cede-race"))
    assert first == "not inevitable: even when everything sleeps one more item of disk mends it"
    assert second.startswith("  but none that comes before asleep, ")
    (line,) = inevitable.told(*first_finding("ee-gap"))
    assert line == "not inevitable: one more item of disk mends it at 191 of the 200 instants after the post"


@pytest.mark.parametrize(
    ("mended", "since", "mendable"),
    [
        ({"a": "0000"}, 0, None),
        ({"a": "1000"}, 1, 0),
        ({"a": "1010", "b": "0100"}, 3, 0),
        ({"a": "1001", "b": "0001"}, None, 3),
        ({"a": "1111"}, None, 0),
        ({"a": "0100", "b": "0011"}, None, 1),
    ],
)
def test_the_last_instant_that_any_source_mends_decides(mended, since, mendable):
    places = tuple(Place(k, 4 * k, "", 0) for k in range(4))
    found = Mending({name: tuple(c == "1" for c in bits) for name, bits in mended.items()}, True, places)
    assert found.inevitable_from == since
    if mendable is not None:
        assert found.mendable_from == mendable
