"""Profiles: every number has a class, a source and a range, and becomes cycles once."""

import re
from pathlib import Path

import pytest

from irqvisor.errors import ProfileError
from irqvisor.lab import profile

POWER9 = profile.load("power9-2021")
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "profiles.md"


def number(value=100, unit="cycles", **more):
    return {"value": value, "unit": unit, "class": "E", "source": "rule: for this test", **more}


def complete(**changes):
    """The data of a complete profile; a change of None leaves a charge or a rate out."""
    data = {
        "name": "test",
        "clock_ghz": number(2, "GHz"),
        "timebase_hz": number(500_000_000, "Hz"),
        "cycles_per_instruction": number(2),
        "hv_cycles_per_instruction": number(3),
        "charges": {charge: number() for charge in profile.CHARGES},
    }
    for key, value in changes.items():
        place = data["charges"] if key in profile.CHARGES else data
        if value is None:
            del place[key]
        else:
            place[key] = value
    return data


def problem_of(data):
    with pytest.raises(ProfileError) as caught:
        profile.from_dict(data, "my.toml")
    return str(caught.value)


BUNDLED = [
    "armv8-altra-2024",
    "armv8-atc17-split",
    "armv8-atc17-vhe",
    "armv8-isca16-kvm",
    "armv8-isca16-xen",
    "armv8-n1-2022",
    "armv8-n1-2022-bhb",
    "power8-2015",
    "power9-2021",
    "ppc970-2006",
    "x86-cpuid-2022",
    "x86-isca16",
    "xen-hvm-2007",
    "xeon-2011",
    "xeon-haswell-2017",
    "xeon-ipiv-2022",
    "xeon-skx-2020",
]


def test_the_profiles_of_this_version_are_bundled():
    assert profile.names() == BUNDLED


MEASURED = {
    ("power9-2021", "hcall_rt"): (509, "cycles", "A"),
    ("power9-2021", "world_switch_rt"): (9587, "cycles", "A"),
    ("power8-2015", "hcall_rt"): (120, "ns", "D"),
    ("power8-2015", "phys_ipi"): (894, "ns", "A"),
    ("armv8-isca16-kvm", "hcall_rt"): (6500, "cycles", "A"),
    ("armv8-isca16-kvm", "pic_trap_emul"): (7370, "cycles", "B"),
    ("armv8-isca16-kvm", "eoi_direct"): (71, "cycles", "B"),
    ("armv8-isca16-xen", "hcall_rt"): (376, "cycles", "A"),
    ("armv8-isca16-xen", "pic_trap_emul"): (1356, "cycles", "B"),
    ("armv8-atc17-split", "world_switch_rt"): (6413, "cycles", "B"),
    ("armv8-atc17-split", "pic_trap_emul"): (8034, "cycles", "B"),
    ("armv8-atc17-split", "pic_trap_user"): (10012, "cycles", "B"),
    ("armv8-atc17-vhe", "world_switch_rt"): (752, "cycles", "B"),
    ("armv8-atc17-vhe", "pic_trap_emul"): (1604, "cycles", "B"),
    ("armv8-atc17-vhe", "pic_trap_user"): (7630, "cycles", "B"),
    ("armv8-n1-2022", "world_switch_rt"): (292, "ns", "A"),
    ("armv8-n1-2022", "pic_trap_emul"): (419, "ns", "A"),
    ("armv8-n1-2022", "pic_trap_user"): (1609, "ns", "A"),
    ("armv8-n1-2022", "eoi_direct"): (29, "ns", "A"),
    ("armv8-n1-2022-bhb", "world_switch_rt"): (317, "ns", "A"),
    ("armv8-n1-2022-bhb", "pic_trap_emul"): (444, "ns", "A"),
    ("armv8-n1-2022-bhb", "pic_trap_user"): (1704, "ns", "A"),
    ("armv8-altra-2024", "world_switch_rt"): (306, "ns", "A"),
    ("armv8-altra-2024", "pic_trap_emul"): (451, "ns", "A"),
    ("armv8-altra-2024", "pic_trap_user"): (1683, "ns", "A"),
    ("armv8-altra-2024", "eoi_direct"): (14, "ns", "A"),
    ("x86-isca16", "clock_ghz"): (2.1, "GHz", "A"),
    ("x86-isca16", "world_switch_rt"): (1437, "cycles", "B"),
    ("x86-isca16", "pic_trap_emul"): (2565, "cycles", "B"),
    ("x86-isca16", "pic_trap_user"): (6732, "cycles", "B"),
    ("xeon-2011", "world_switch_rt"): (2000, "cycles", "A"),
    ("xeon-skx-2020", "world_switch_rt"): (1529, "cycles", "A"),
    ("xeon-haswell-2017", "pic_trap_user"): (5795, "cycles", "A"),
    ("xeon-haswell-2017", "switch_penalty"): (4462, "cycles", "D"),
    ("xen-hvm-2007", "world_switch_rt"): (3300, "cycles", "A"),
    ("x86-cpuid-2022", "world_switch_rt"): (1026, "cycles", "A"),
}


@pytest.mark.parametrize(("name", "number"), MEASURED, ids=["-".join(key) for key in MEASURED])
def test_what_was_measured_is_as_it_was_published(name, number):
    found = profile.load(name).numbers[number]
    assert (found.value, found.unit, found.grade) == MEASURED[name, number]


@pytest.mark.parametrize("name", profile.names())
def test_either_end_of_every_range_is_a_profile_too(name):
    loaded = profile.load(name)
    for number in loaded.numbers:
        for end in ("low", "high"):
            loaded.with_overrides({number: end})


@pytest.mark.parametrize("name", profile.names())
def test_only_what_no_estimate_is_worth_has_none(name):
    """Measured numbers may have a range, of other hardware; estimates must."""
    numbers = profile.load(name).numbers
    assert [key for key, number in numbers.items() if number.grade == "E" and number.low == number.high] in (
        [],
        ["timebase_hz"],  # of the simulated board
    )


@pytest.mark.parametrize("name", profile.names())
def test_a_bundled_profile_is_complete_and_says_where_each_number_comes_from(name):
    loaded = profile.load(name)
    assert loaded.name == name
    assert loaded.description
    assert set(loaded.numbers) == set(profile.RATES) | set(profile.CHARGES)
    for number in loaded.numbers.values():
        assert number.low <= number.value <= number.high
        if number.grade == "E":
            assert number.source.startswith("rule: ")
    for charge in profile.CHARGES:
        assert loaded.cycles(charge) > 0


@pytest.mark.parametrize("name", profile.names())
def test_an_estimated_charge_has_a_range_to_sweep(name):
    numbers = profile.load(name).numbers
    for charge in profile.CHARGES:
        if numbers[charge].grade == "E":
            assert numbers[charge].low < numbers[charge].high, charge


@pytest.mark.parametrize("name", profile.names())
def test_every_source_that_is_cited_is_listed(name):
    loaded = profile.load(name)
    cited = {key for number in loaded.numbers.values() for key in re.findall(r"\[(\d+)\]", number.source)}
    assert cited == set(loaded.sources)


def test_power9_charges_what_was_measured():
    assert POWER9.cycles("hcall_rt") == 509
    assert POWER9.cycles("world_switch_rt") == 9587
    assert not {"hcall_rt", "world_switch_rt"} & set(POWER9.rests_on_estimates())


def test_power9_owns_up_to_its_estimates():
    assert POWER9.rests_on_estimates() == [
        "clock_ghz",
        "cycles_per_instruction",
        "hv_cycles_per_instruction",
        "exc_entry",
        "exc_return",
        "pic_mmio_read",
        "pic_mmio_write",
        "phys_ipi",
        "inject",
        "switch_penalty",
        "host_wakeup",
    ]


def test_all_of_the_970_is_an_estimate():
    old = profile.load("ppc970-2006")
    assert {number.grade for number in old.numbers.values()} == {"E"}
    assert set(old.rests_on_estimates()) == (set(profile.RATES) | set(profile.CHARGES)) - set(profile.STEPS_ONLY)


def test_ns_become_cycles_by_the_clock():
    assert POWER9.numbers["pic_mmio_read"].unit == "ns"
    assert POWER9.cycles("pic_mmio_read") == round(306 * 3.2)


def test_path_lengths_become_cycles_by_the_hypervisors_cycles_per_instruction():
    assert POWER9.cycles("inject") == 190 * POWER9.hv_cycles_per_instruction
    slower = POWER9.with_overrides({"hv_cycles_per_instruction": 4})
    assert slower.cycles("inject") == 190 * 4


@pytest.mark.parametrize(("value", "cycles"), [(0.2, 0), (0.25, 1), (0.5, 1), (0.75, 2)])
def test_halves_of_a_cycle_round_up(value, cycles):
    assert profile.from_dict(complete(inject=number(value, "ns"))).cycles("inject") == cycles


def test_a_charge_that_nobody_has_is_named():
    with pytest.raises(ProfileError, match=r'power9-2021: no charge "hcall"\n  hint: did you mean "hcall_rt"'):
        POWER9.cycles("hcall")


def test_virtual_time_is_exact_because_the_time_base_is_a_small_ratio_of_the_clock():
    assert POWER9.timebase_ratio() == (4, 25)
    assert 3_200_000_000 * 4 // 25 == POWER9.timebase_hz == 512_000_000


def test_a_time_base_cut_to_whole_hz_gets_the_ratio_that_was_meant():
    old = profile.load("ppc970-2006")
    assert old.timebase_hz == 33_333_333
    assert old.timebase_ratio() == (1, 60)


def test_a_number_the_user_set_is_no_estimate_of_ours():
    changed = POWER9.with_overrides(["exc_entry=100", "profile.phys_ipi=500"])
    assert changed.cycles("exc_entry") == 100
    assert changed.cycles("phys_ipi") == 1600
    assert changed.overrides == ("exc_entry=100", "phys_ipi=500")
    assert not {"exc_entry", "phys_ipi"} & set(changed.rests_on_estimates())
    assert POWER9.cycles("exc_entry") == 160


def test_an_override_may_state_its_unit_or_pick_from_the_range():
    changed = POWER9.with_overrides(["hcall_rt=100ns", "pic_mmio_read=7 cycles", "switch_penalty=high"])
    assert [changed.cycles(c) for c in ("hcall_rt", "pic_mmio_read", "switch_penalty")] == [320, 7, 5000]
    assert "switch_penalty" in changed.rests_on_estimates()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("hcal_rt=1", 'profile.hcal_rt: no such number\n  hint: did you mean "hcall_rt"? Known: '),
        (
            "hcall_rt=x",
            'profile.hcall_rt: found "x"; expected a number, a number with its unit (cycles, ns, instructions)',
        ),
        ("hcall_rt=9us", 'profile.hcall_rt: found "9us"; expected'),
        ("hcall_rt", 'override "hcall_rt" has no "="; expected NAME=VALUE, such as hcall_rt=900'),
        ("clock_ghz=0", "power9-2021 with clock_ghz=0: clock_ghz: found 0; expected more than zero"),
        ("clock_ghz=0.1", "power9-2021 with clock_ghz=0.1: timebase_hz: 512,000,000 Hz is faster than the clock"),
        ("cycles_per_instruction=1.5", "found 1.5; expected a whole number: time is counted in cycles"),
        ("phys_ipi=0", "charges.phys_ipi: found 0; expected more than zero: pCPUs advance in quanta"),
    ],
)
def test_a_wrong_override_is_explained(override, message):
    with pytest.raises(ProfileError) as caught:
        POWER9.with_overrides([override])
    assert message in str(caught.value)


def test_wrong_overrides_are_reported_together():
    with pytest.raises(ProfileError) as caught:
        POWER9.with_overrides({"hcal_rt": 1, "inject": -5})
    assert len(caught.value.problems) == 2
    assert "profile.inject: found -5; expected a number, zero or more (instructions)" in str(caught.value)


def test_a_fingerprint_changes_with_a_number_and_with_nothing_else():
    assert POWER9.fingerprint() == profile.load("power9-2021").fingerprint()
    assert POWER9.fingerprint() != POWER9.with_overrides(["hcall_rt=508"]).fingerprint()
    assert POWER9.fingerprint() == POWER9.with_overrides(["hcall_rt=509"]).fingerprint()


def test_low_middle_and_high_are_a_value_with_a_range():
    three = {"low": 1, "middle": 2, "high": 3, "unit": "cycles", "class": "E", "source": "rule"}
    loaded = profile.from_dict(complete(inject=three))
    assert (loaded.numbers["inject"].low, loaded.numbers["inject"].value, loaded.numbers["inject"].high) == (1, 2, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"inject": None},
            "my.toml: charges.inject: missing; expected a table: a required number (the hypervisor marks",
        ),
        ({"timebase_hz": None}, "my.toml: timebase_hz: missing; expected a table: a required number of a profile"),
        ({"inject": 5}, "my.toml: charges.inject: found 5; expected a table with value, unit, class and source"),
        ({"inject": number("5")}, "my.toml: charges.inject.value: found '5'; expected a number, zero or more"),
        ({"inject": number(unit="us")}, "charges.inject.unit: found 'us'; expected one of: cycles, ns, instructions"),
        ({"inject": number(**{"class": "C"})}, "charges.inject.class: found 'C'; expected one of: A, B, D, E"),
        ({"inject": number(source=" ")}, "charges.inject.source: missing; expected where the number is written"),
        (
            {"inject": number(range=[200, 300])},
            "charges.inject: 100 is outside its range 200..300; expected low <= value",
        ),
        ({"inject": number(range=5)}, "charges.inject.range: found 5; expected two numbers: [low, high]"),
        (
            {"inject": number(low=5)},
            "charges.inject.value: given together with low; expected value (and range), or low,",
        ),
        ({"inject": number(valeu=5)}, 'charges.inject.valeu: unknown key\n  hint: did you mean "value"?'),
        ({"clock_ghz": number(2, "MHz")}, "my.toml: clock_ghz.unit: found 'MHz'; expected GHz"),
        ({"clok_ghz": number(2)}, 'my.toml: clok_ghz: unknown key\n  hint: did you mean "clock_ghz"?'),
        ({"charges": 5}, "my.toml: charges: found 5; expected tables such as [charges.hcall_rt]"),
        ({"name": 5}, "my.toml: name: found 5; expected text"),
        ({"timebase_hz": number(1, "Hz")}, "1 Hz over a clock of 2,000,000,000 Hz is no ratio of small integers"),
    ],
)
def test_an_incomplete_or_contradictory_profile_is_explained(changes, message):
    assert message in problem_of(complete(**changes))


def test_an_unknown_charge_is_named():
    data = complete()
    data["charges"]["hcal_rt"] = number()
    assert problem_of(data).startswith('my.toml: charges.hcal_rt: unknown charge\n  hint: did you mean "hcall_rt"?')


def test_a_profile_without_anything_misses_every_number_at_once():
    with pytest.raises(ProfileError) as caught:
        profile.from_dict({})
    assert len(caught.value.problems) == len(profile.RATES) + len(profile.CHARGES)


def test_an_unknown_profile_gets_suggestions():
    with pytest.raises(ProfileError) as caught:
        profile.load("power9")
    assert str(caught.value) == (
        'unknown profile "power9"\n'
        f'  hint: did you mean "power9-2021"? Known: {", ".join(BUNDLED)}; or give a file, ./NAME.toml'
    )


def test_a_profile_of_your_own_is_a_file(tmp_path):
    mine = tmp_path / "mine.toml"
    text = (profile.FOLDER / "power9-2021.toml").read_text()
    mine.write_text(text.replace('name = "power9-2021"\n', "").replace("value = 509", "value = 510"))
    assert profile.load(mine).cycles("hcall_rt") == 510
    assert profile.load(str(mine)).name == "mine"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, f"cannot be read: No such file or directory\n  hint: bundled: {', '.join(BUNDLED)}"),
        (b"name =", "not TOML: "),
        (b"\xff\xfe", "not text in UTF-8; expected a profile in TOML"),
    ],
)
def test_a_file_that_is_no_profile_is_explained(tmp_path, content, message):
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProfileError) as caught:
        profile.load(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_profile_as_a_dict_has_each_charge_in_cycles_too():
    data = POWER9.to_dict()
    assert data["charges"]["pic_mmio_read"]["value"] == 306
    assert data["charges"]["pic_mmio_read"]["cycles"] == 979
    assert data["timebase_ratio"] == [4, 25]


def test_the_reference_page_lists_every_number_and_every_bundled_profile():
    page = REFERENCE.read_text()
    for name in (*profile.CHARGES, *profile.RATES, *profile.names()):
        assert f"`{name}`" in page, name
