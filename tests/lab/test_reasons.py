import pytest

from irqvisor.lab.reasons import foreign, reasons, reference, saturating
from irqvisor.lab.text import listing, percent, plural, us
from lab.rows import latency, row, three


def about(rows, word, **options):
    found = [sentence for sentence in reasons(rows, **options) if word in sentence]
    assert len(found) == 1, found
    return found[0]


def test_nothing_lost_is_said_with_the_number_that_all_designs_share():
    assert about(three(), "Nothing was lost").startswith("Nothing was lost under any design: all 1,000 interrupts")


def test_nothing_lost_names_no_number_when_designs_raised_different_ones():
    rows = [row("rhype", raised=1000), row("xen-ppc", raised=990)]
    assert "all interrupts were serviced" in about(rows, "Nothing was lost")


def test_a_lost_interrupt_replaces_the_good_news_and_says_how_to_look_at_it():
    rows = [row("rhype", lost=3), row("xen-ppc")]
    sentences = reasons(rows, scenario="storm")
    assert sentences[0] == (
        "rhype LOST 3 interrupts of 1,000. The life of one: irqvisor run storm --design rhype --journey lost"
    )
    assert not any("Nothing was lost" in sentence for sentence in sentences)


def test_what_is_pending_names_the_rule_and_is_not_called_lost():
    sentence = about([row("rhype", pending=2, pending_by_rule={"EE": 2, "mask": 0})], "held off")
    assert sentence == "rhype ended with 2 interrupts still held off by the owner (EE 2)."


def test_rescued_and_dropped_are_named_with_their_reasons():
    rows = [row("rhype", rescued=3, rescued_by={"hdec": 2, "timer": 1}, dropped=7, dropped_by_rule={"ring full": 7})]
    assert "3 interrupts reached the owner only by luck (hdec 2, timer 1)" in about(rows, "luck")
    assert about(rows, "dropped 7") == "rhype dropped 7 interrupts (ring full 7)."
    assert "except for those dropped" in about(rows, "Nothing was lost")


def test_the_vector_comes_first_where_hardware_enters_the_domain_and_the_reason_is_given():
    sentence = about(three(), "reaches the owner's vector")
    assert sentence.startswith(
        "rhype reaches the owner's vector 0.500 us sooner than xen-ppc (median 0.300 against 0.800"
    )
    assert ": under rhype hardware enters the running domain directly, under xen-ppc the hypervisor takes" in sentence


def test_the_opposite_order_is_reported_as_it_is_and_not_explained_away():
    rows = [
        row("rhype", vector_latency_ns=latency(900), foreign=400),
        row("xen-ppc", vector_latency_ns=latency(300)),
    ]
    sentence = about(rows, "reaches the owner's vector")
    assert sentence.startswith("xen-ppc reaches the owner's vector 0.600 us sooner than rhype")
    assert "although under rhype hardware enters the running domain directly" in sentence
    assert "it was not the owner's turn for 40 % of them" in sentence


def test_differences_that_a_histogram_cannot_tell_are_called_equal():
    rows = [row("rhype", vector_latency_ns=latency(1000)), row("xen-ppc", vector_latency_ns=latency(1010))]
    assert "equally soon" in about(rows, "reach the owner's vector")


def test_the_design_that_knows_first_is_named_even_when_it_reached_the_vector_last():
    sentence = about(three(), "To know the source")
    assert "0.800 us more under rhype, where the owner asks by an hcall, H_XIRR," in sentence
    assert "0.100 us more under xen-ppc, where the owner reads the event channels in shared memory" in sentence
    assert "it is xen-ppc that knows first (median 0.900 against 1.10 us)" in sentence


def test_the_design_that_stays_ahead_is_said_to_stay_ahead():
    rows = three()
    rows[1]["known_latency_ns"] = latency(400)
    assert "rhype stays ahead (median 0.400 against 0.900 us)" in about(rows, "To know the source")


def test_a_design_without_words_gets_numbers_without_a_reason():
    rows = [row("rhype", vector_latency_ns=latency(100)), row("seventh", vector_latency_ns=latency(300))]
    assert about(rows, "reaches the owner's vector").endswith("(median 0.100 against 0.300 us).")


def test_the_lower_bound_is_compared_only_when_nothing_else_is_there():
    assert not any("native reaches" in sentence for sentence in reasons(three()))
    rows = [row("native", vector_latency_ns=latency(100)), row("xen-ppc", vector_latency_ns=latency(300))]
    assert "native reaches the owner's vector 0.200 us sooner than xen-ppc" in about(rows, "reaches")


def test_one_design_alone_is_compared_with_nothing():
    assert len(reasons([row("rhype")])) == 1


def test_foreign_interrupts_have_a_share_and_with_a_profile_a_price():
    rows = [row("rhype", foreign=270)]
    assert "270 interrupts (27 % of those raised) entered a domain that does not own the source" in foreign(rows)[0]
    assert "us each" not in foreign(rows)[0]
    charges = {
        "exc_entry": 50,
        "hcall_rt": 150,
        "pic_mmio_read": 300,
        "pic_mmio_write": 25,
        "exc_return": 50,
        "inject": 999,
        "hv_cycles_per_instruction": 1,
    }
    assert "about 0.644 us each on this profile" in foreign(rows, charges)[0]


def test_the_work_of_bystanders_is_measured_by_the_lower_bound_and_the_worst_hit_is_named():
    sentence = about(three(), "Meanwhile")
    assert "measured by native: rhype 97.0 % and xen-ppc 95.5 %" in sentence
    assert "hit hardest is calc0 under xen-ppc (94.0 %)" in sentence


def test_without_a_lower_bound_the_most_work_is_the_measure():
    rows = three()[1:]
    assert reference(rows)["design"] == "rhype"


def test_the_hypervisors_share_of_time_is_given_where_it_took_any():
    rows = [row("rhype", hypervisor_cycles=250_000), row("xen-ppc", hypervisor_cycles=10_000_000)]
    assert about(rows, "Meanwhile").endswith("used 2.4 % under rhype and 50 % under xen-ppc of the processors' time.")


def test_a_machine_that_computes_nothing_has_no_sentence_on_work():
    assert not any("Meanwhile" in sentence for sentence in reasons([row("rhype", work={}), row("xen-ppc", work={})]))


def test_skipped_designs_are_in_no_sentence():
    rows = [{"design": "direct", "skipped": "needs power9"}, row("rhype")]
    assert not any("direct" in sentence for sentence in reasons(rows))
    assert reasons([{"design": "direct", "skipped": "needs power9"}]) == []


def test_designs_that_give_way_at_the_same_point_share_a_clause():
    points = [(label, [row("rhype", dropped=n), row("xen-ppc", dropped=n)]) for label, n in (("a", 0), ("b", 1))]
    assert saturating(points) == ["Along the sweep, interrupts are dropped from b on under rhype and xen-ppc."]


def test_a_sweep_says_from_where_on_a_design_no_longer_keeps_up():
    points = [
        ("rate_hz=1000", [row("rhype"), row("xen-ppc")]),
        ("rate_hz=2000", [row("rhype", coalesced=600), row("xen-ppc")]),
        ("rate_hz=4000", [row("rhype", coalesced=600, dropped=5), row("xen-ppc")]),
    ]
    coalesced, dropped = saturating(points)
    assert coalesced.endswith("are coalesced from rate_hz=2000 on under rhype; nowhere under xen-ppc.")
    assert dropped.endswith("are dropped from rate_hz=4000 on under rhype; nowhere under xen-ppc.")


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0"),
        (123.4, "0.123"),
        (999.6, "1.00"),
        (4560, "4.56"),
        (9996, "10.0"),
        (78_900, "78.9"),
        (1_234_000, "1,234"),
    ],
)
def test_times_have_three_digits_and_never_a_unit_of_their_own(ns, text):
    assert us(ns) == text


@pytest.mark.parametrize(
    ("part", "text"), [(0, "0 %"), (1, "0.1 %"), (34, "3.4 %"), (270, "27 %"), (994, "99.4 %"), (1000, "100 %")]
)
def test_shares_are_never_rounded_to_nothing_or_to_all(part, text):
    assert percent(part, 1000) == text
    assert percent(0, 0) == "0 %"


def test_lists_read_as_sentences():
    assert [listing(["a"]), listing(["a", "b"]), listing(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    assert [plural(1, "interrupt"), plural(3026, "interrupt")] == ["1 interrupt", "3,026 interrupts"]
