import pytest
from rich.console import Group

from irqvisor.lab import profile, view
from lab.rows import HEADER, latency, row, three


def shown(renderable):
    return view.render(renderable)


def test_the_table_has_a_row_for_each_design_in_the_given_order():
    lines = shown(view.comparison(three())).splitlines()
    assert [line.split()[0] for line in lines[3:6]] == ["native*", "rhype", "xen-ppc"]


def test_the_numbers_of_a_row_are_those_of_the_result():
    rows = [row("rhype", latency_ns=latency(2000), entries_per_interrupt=2.5, work={})]
    cells = shown(view.designs_table(rows)).splitlines()[-1].split()
    assert cells == ["rhype", "1,000", "900", "100", "0", "1.00", "1.50", "2.00", "6.00", "8.00", "2.50"]


def test_columns_for_accidents_appear_only_when_there_were_some():
    assert "res-" not in shown(view.comparison(three()))
    assert "foreign" not in shown(view.comparison([row("native")]))
    rows = three()
    rows[1]["rescued"] = 1
    assert "res-" in shown(view.comparison(rows))


def test_work_is_given_relative_to_the_lower_bound():
    cells = [line.split()[-2:] for line in shown(view.designs_table(three())).splitlines()[-3:]]
    assert cells == [["100", "%"], ["97.0", "%"], ["95.5", "%"]]


def test_a_lower_bound_is_marked_and_explained():
    text = shown(view.comparison(three()))
    assert "native*" in text
    assert "* a lower bound: no hypervisor" in text
    assert "lower bound" not in shown(view.comparison(three()[1:]))


def test_where_the_time_went_adds_up():
    assert "rhype   vector 1.00 + identify 0.500 + serve 0.500 + complete 0.250 = 2.25" in shown(
        view.stages_table([row("rhype")])
    )


def test_designs_that_did_not_run_are_grouped_by_their_reason():
    rows = [row("rhype"), {"design": "xen-x86", "skipped": "later"}, {"design": "direct", "skipped": "later"}]
    assert "not run: xen-x86, direct: later" in shown(view.comparison(rows))


def test_violations_and_faults_stand_below_the_table():
    rows = [
        row("rhype", lost=1, violations=["1 interrupts lost (disk 1)"]),
        row("xen-ppc", faults=["cycle 7: nowhere"]),
    ]
    text = shown(view.comparison(rows))
    assert "rhype: 1 interrupts lost (disk 1)" in text
    assert "xen-ppc: cycle 7: nowhere" in text


@pytest.mark.parametrize("change", [{"lost": 1}, {"balanced": False}, {"violations": ["never ready: io"]}])
def test_a_broken_promise_is_a_violation(change):
    assert view.is_violated(row("rhype", **change))
    assert not view.is_violated(row("rhype", faults=["the guest's own"]))


def test_nothing_is_wider_than_a_hundred_columns_and_no_number_is_cut_short():
    big = {"raised": 12_345_678, "serviced": 9_876_543, "coalesced": 2_469_135, "rescued": 12, "foreign": 1_234_567}
    rows = [row(name, **big, latency_ns=latency(98_765_432)) for name in ("native", "rhype", "xen-ppc", "xen-ia64")]
    points = [("sources.storm.rate_hz=1600000", rows)]
    for what in (view.comparison(rows), view.run(rows[1]), view.sentences(["word " * 50]), view.sweep(points)):
        assert max(map(len, shown(what).splitlines())) <= view.WIDTH
    text = shown(view.comparison(rows))
    assert "12.3M" in text
    assert "395,062" in text
    assert "\N{HORIZONTAL ELLIPSIS}" not in text


def test_plain_text_has_no_colour_and_no_character_beyond_ascii():
    everything = Group(view.comparison(three()), view.run(row("rhype")), view.sentences(view.footer(HEADER)))
    text = shown(everything)
    assert text.isascii()
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_terminal_gets_the_same_words():
    plain, colourful = view.render(view.comparison(three())), view.render(view.comparison(three()), terminal=True)
    assert plain != colourful
    assert plain.split()[:9] == colourful.replace("\x1b[1m", "").replace("\x1b[0m", "").split()[:9]


def test_the_footer_owns_up_to_estimates_and_says_what_an_arrival_is():
    text = " ".join(view.footer(HEADER))
    assert "Profile power9-2021" in text
    assert "estimates (class E): exc_entry, exc_return" in text
    assert "--set profile.exc_entry=low" in text
    assert "An arrival is the handler's entry on the recorded machine." in text


def test_the_footer_is_silent_on_what_there_is_not():
    assert len(view.footer(HEADER | {"estimates": [], "recording": None})) == 1


def test_a_journey_counts_from_its_first_step():
    steps = [
        {"cycle": 3000, "ns": 1000, "what": "raised", "where": "disk", "detail": ""},
        {"cycle": 4500, "ns": 1500, "what": "vectored", "where": "io", "detail": "0x500"},
        {"cycle": 6000, "ns": 2000, "what": "known", "where": "io", "detail": ""},
    ]
    lines = [line.split() for line in shown(view.journey(steps)).splitlines()[2:]]
    assert [line[:3] for line in lines] == [
        ["3,000", "0", "0"],
        ["4,500", "0.500", "0.500"],
        ["6,000", "1.00", "0.500"],
    ]


def test_a_run_shows_every_number_that_a_comparison_leaves_out():
    text = shown(view.run(row("rhype", spurious=4, hypervisor_entries={"hdec": 450}, empty=7)))
    for part in ("spurious", "empty", "hdec", "0.50", "calc1", "digest", "0123456789abcdef"):
        assert part in text


def test_a_run_that_was_skipped_says_why():
    assert shown(view.run({"design": "direct", "skipped": "needs power9"})) == "not run: direct: needs power9\n"


def test_a_profile_shows_class_range_and_source_of_each_number():
    for name in profile.names():
        loaded = profile.load(name)
        text = shown(view.profile(loaded.to_dict(), profile.RATES))
        assert all(number in text for number in loaded.numbers)


def test_a_sweep_has_a_line_for_each_point_and_design():
    points = [("rate_hz=1000", three()), ("rate_hz=2000", three())]
    lines = shown(view.sweep(points)).splitlines()[2:]
    assert [line.split()[0] for line in lines] == [
        "rate_hz=1000",
        "rhype",
        "xen-ppc",
        "rate_hz=2000",
        "rhype",
        "xen-ppc",
    ]


def test_html_is_escaped_and_complete():
    text = view.html([row("<rhype>"), {"design": "direct", "skipped": "later"}], ["a < b"])
    assert "<td>&lt;rhype&gt;</td>" in text
    assert "<th>serviced</th>" in text
    assert "<th>vector p50</th>" in text
    assert "<p>a &lt; b</p>" in text
    assert view.html([{"design": "direct", "skipped": "later"}], []).startswith("<table>")
