"""Options of designs, from a scenario to a machine's header."""

import itertools
from pathlib import Path

import pytest

from hv.harness import small
from irqvisor.errors import IrqvisorError
from irqvisor.lab import scenario, view
from irqvisor.lab.runner import header
from irqvisor.spec.designs import BY_NAME, DESIGNS
from lab.rows import row

GUEST = [{"name": "guest"}]


@pytest.mark.parametrize("info", DESIGNS, ids=lambda info: info.name)
def test_every_choice_of_options_has_bits_of_its_own(info):
    choices = [
        dict(zip([option.name for option in info.options], values, strict=True))
        for values in itertools.product(*(option.values for option in info.options))
    ]
    assert len({info.bits(chosen) for chosen in choices}) == len(choices)
    assert info.bits({}) == info.bits(info.settings({})) == 0


def test_a_scenario_chooses_by_table_or_by_set():
    told = small(GUEST, options={"xen-ia64": {"mode": "real"}})
    assert scenario.with_overrides(small(GUEST), ["options.xen-ia64.mode=real"]) == told
    both = scenario.with_overrides(told, ["options.xen-ia64.tpr=none"])
    assert both.options == {"xen-ia64": {"mode": "real", "tpr": "none"}}
    assert BY_NAME["xen-ia64"].settings(both.options["xen-ia64"])["events"] == "vector"


def test_options_are_part_of_what_was_run_and_a_scenario_without_any_is_what_it_was():
    plain, chosen = small(GUEST), small(GUEST, options={"xen-ia64": {"mode": "real"}})
    assert scenario.fingerprint(plain) != scenario.fingerprint(chosen)
    assert header(chosen)["options"] == {"xen-ia64": {"mode": "real"}}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"xen-ia46": {}}, 'options.xen-ia46: no such delivery design\n  hint: did you mean "xen-ia64"?'),
        ({"native": {"mode": "real"}}, "options.native.mode: native has no options"),
        ({"xen-ia64": {"mod": "real"}}, 'options.xen-ia64.mod: no such option\n  hint: did you mean "mode"?'),
        ({"xen-ia64": {"mode": "reel"}}, 'options.xen-ia64.mode: found "reel"\n  hint: did you mean "real"?'),
        ({"xen-ia64": {"mode": 1}}, "options.xen-ia64.mode: found 1; expected text"),
        ({"xen-ia64": 1}, "options.xen-ia64: found 1; expected a table"),
    ],
)
def test_what_is_no_option_is_explained(options, problem):
    with pytest.raises(IrqvisorError) as caught:
        small(GUEST, options=options)
    assert problem in str(caught.value)


def test_the_page_lists_them_all():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "scenarios.md").read_text()
    for info in DESIGNS:
        for option in info.options:
            values = ", ".join(f'`"{value}"`' for value in option.values)
            assert f"| `{info.name}` | `{option.name}` | {values} | {option.meaning} |" in page


def test_a_table_says_who_ran_elsewhere_and_with_which_options():
    usual = row("xen-ppc")
    moved = row("xen-ia64", cpu="power8", options={"mode": "real", "tpr": "linux"})
    text = view.render(view.comparison([usual, moved]))
    assert "on a power8 instead of a 970: xen-ia64: a 970's external interrupts overwrite SRR0 and SRR1" in text
    assert "xen-ia64 with mode=real\n" in text
    assert "instead of" not in view.render(view.comparison([usual]))
