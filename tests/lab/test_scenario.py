"""Scenarios: what is left out is filled in, what is wrong is named, and what is bundled does as it says."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from irqvisor.errors import RecordingError, ScenarioError, UsageError
from irqvisor.lab import build, recording, scenario
from irqvisor.lab import profile as profiles
from irqvisor.lab.scenario import Closed, Domain, Manual, Periodic, Poisson, Recorded, Scenario, Source
from irqvisor.lab.scenario.parts import KERNEL_KIB

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "scenarios.md"
SOURCES = Path(scenario.__file__).parents[2]


def source(name="disk", owner="io", **more):
    return {"name": name, "owner": owner, "arrival": {"kind": "periodic", "period_us": 100}, **more}


def arriving(**arrival):
    return source(arrival=arrival)


def data(**changes):
    """A small valid scenario; a change of None leaves a key out."""
    base = {"name": "small", "duration_ms": 5, "domains": [{"name": "io"}, {"name": "calc"}], "sources": [source()]}
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def made(**changes):
    return scenario.from_dict(data(**changes), "my.toml")


def problems_of(**changes):
    with pytest.raises(ScenarioError) as caught:
        made(**changes)
    return str(caught.value).splitlines()


@pytest.fixture(scope="module")
def default():
    return scenario.load(scenario.DEFAULT)


@pytest.fixture(scope="module")
def bundled_log():
    return scenario.open_recording("virtio-irqs")


# -------------------------------------------------------------------------------------------------- filling in
def test_domains_without_a_pcpu_go_round_robin_by_position():
    made_one = made(pcpus=2, domains=[{"name": name} for name in ("io", "b", "c")])
    assert [domain.pcpu for domain in made_one.domains] == [0, 1, 0]


def test_memory_is_placed_behind_the_domain_before():
    domains = [{"name": "io", "ram_kib": 64}, {"name": "b", "ram_base_kib": 512}, {"name": "c"}]
    assert [domain.ram_base_kib for domain in made(domains=domains).domains] == [0, 512, 640]


def test_sources_get_the_next_free_pirq_and_never_zero():
    settled = made(sources=[source("a"), source("b", pirq=1), source("c")])
    assert [s.pirq for s in settled.sources] == [2, 1, 3]


def test_a_source_is_routed_to_its_owner_unless_it_says_otherwise():
    settled = made(pcpus=2, sources=[source("a", "calc"), source("b", "calc", route=0), source("c", "io")])
    assert [s.route for s in settled.sources] == [1, 0, 0]


def test_the_rest_has_the_defaults_of_the_reference():
    small = made()
    assert (small.cpu, small.profile, small.pcpus, small.drain_ms, small.seed) == ("970", "power9-2021", 1, 20, 1)
    assert (small.scheduler.slice_us, small.scheduler.boost, small.scheduler.hdec_period_us) == (1000, True, 1000)
    assert (small.source("disk").trigger, small.source("disk").priority, small.source("disk").slots) == ("edge", 5, 64)
    assert (small.domain("io").ram_kib, small.domain("io").compute_unit, small.domain("io").compute) == (
        128,
        200,
        False,
    )
    assert small.duration_ns == 5_000_000


@pytest.mark.parametrize(
    ("arrival", "ns"),
    [
        (Periodic(period_us=2.5), 2500),
        (Periodic(rate_hz=1000), 1_000_000),
    ],
)
def test_a_period_may_be_told_as_a_rate(arrival, ns):
    assert arrival.period_ns == ns
    assert Poisson(rate_hz=1000).mean_ns == Poisson(mean_us=1000).mean_ns == 1_000_000


def test_scenarios_are_made_in_python_as_well_and_cannot_be_changed():
    one = Scenario(
        name="x",
        duration_ms=1,
        domains=(Domain(name="a"),),
        sources=(Source(name="s", owner="a", arrival=Manual()),),
    )
    assert one.sources[0].pirq == 1
    with pytest.raises(ValidationError, match="frozen"):
        one.pcpus = 2


def test_making_a_scenario_leaves_its_parts_as_they_were():
    domain = Domain(name="a")
    for pcpus in (1, 2):
        Scenario(name="x", duration_ms=1, pcpus=pcpus, domains=(Domain(name="b"), domain))
    assert domain.pcpu == -1


# -------------------------------------------------------------------------------------------------- errors of one key
@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"pcpu": 2},
            [
                "my.toml: pcpu: unknown key",
                '  hint: did you mean "pcpus"? Known: ' + ", ".join(sorted(Scenario.model_fields)),
            ],
        ),
        (
            {"duration_ms": None, "duration_s": 1},
            ["my.toml: duration_s: unknown key: wrong unit", "  hint: use duration_ms"],
        ),
        ({"duration_ms": None, "duration": 1}, ["my.toml: duration: unknown key: no unit", "  hint: use duration_ms"]),
        (
            {"duration_ms": None},
            ["my.toml: duration_ms: missing; expected how long the sources run, in virtual time"],
        ),
        ({"duration_ms": "5"}, ['my.toml: duration_ms: found "5"; expected a number']),
        ({"duration_ms": 0}, ["my.toml: duration_ms: found 0; expected more than 0.0"]),
        ({"duration_ms": float("nan")}, ["my.toml: duration_ms: found nan; expected a finite number"]),
        ({"seed": 1.5}, ["my.toml: seed: found 1.5; expected a whole number"]),
        ({"pcpus": 17}, ["my.toml: pcpus: found 17; expected 16 or less"]),
        ({"pcpus": True}, ["my.toml: pcpus: found true; expected a whole number"]),
        ({"name": ""}, ['my.toml: name: found ""; expected at least one character']),
        (
            {"name": "a\tb"},
            ['my.toml: name: found "a\tb"; expected printable characters, none of them a space at the ends'],
        ),
        ({"cpu": "971"}, ['my.toml: cpu: found "971"', '  hint: did you mean "970"? Known: 970, power8, power9']),
        ({"cpu": 970}, ["my.toml: cpu: found 970; expected one of: 970, power8, power9"]),
        ({"scheduler": 5}, ["my.toml: scheduler: found 5; expected a table"]),
        ({"scheduler": {"boost": 1}}, ["my.toml: scheduler.boost: found 1; expected true or false"]),
        (
            {"scheduler": {"slice_ms": 1}},
            ["my.toml: scheduler.slice_ms: unknown key: wrong unit", "  hint: use slice_us"],
        ),
        (
            {"defects": ["softirqs"]},
            [
                'my.toml: defects[0]: found "softirqs"',
                f'  hint: did you mean "softirqs-skipped"? Known: {", ".join(sorted(build.DEFECTS))}',
            ],
        ),
        ({"domains": []}, ["my.toml: domains: 0 of them; expected at least 1"]),
        (
            {"domains": {"name": "io"}},
            ["my.toml: domains: found a table; expected a list of tables, each beginning with [[domains]]"],
        ),
        ({"sources": [source(str(i)) for i in range(257)]}, ["my.toml: sources: 257 of them; expected at most 256"]),
        (
            {"profile_overrides": {"inject": []}},
            ["my.toml: profile_overrides.inject: found a list; expected a number or text"],
        ),
        ({"sweep": {"key": "seed", "values": []}}, ["my.toml: sweep.values: 0 of them; expected at least 1"]),
    ],
)
def test_a_wrong_key_of_a_scenario_is_explained(changes, lines):
    assert problems_of(**changes) == lines


@pytest.mark.parametrize(
    ("domain", "line"),
    [
        ({"ram_kib": 66}, "my.toml: domains[0].ram_kib: found 66; expected a multiple of 4"),
        ({"ram_kib": 60}, "my.toml: domains[0].ram_kib: found 60; expected 64 or more"),
        ({"ram_mib": 1}, "my.toml: domains[0].ram_mib: unknown key: wrong unit"),
        ({"misbehave": "never-eio"}, 'my.toml: domains[0].misbehave: found "never-eio"'),
        ({"compute": "yes"}, 'my.toml: domains[0].compute: found "yes"; expected true or false'),
        ({"image": "no.elf"}, 'my.toml: domains[0].image: no such file "no.elf"'),
    ],
)
def test_a_wrong_key_of_a_domain_is_explained(domain, line):
    assert problems_of(domains=[{"name": "io", **domain}])[0] == line


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (source(priority=14), "my.toml: sources[0].priority: found 14; expected 13 or less"),
        (source(priority=0), "my.toml: sources[0].priority: found 0; expected 1 or more"),
        (source(pirq=0), "my.toml: sources[0].pirq: found 0; expected 1 or more"),
        (source(slots=48), "my.toml: sources[0].slots: found 48; expected a power of two"),
        (source(trigger="rising"), 'my.toml: sources[0].trigger: found "rising"'),
        (source(arrival=5), "my.toml: sources[0].arrival: found 5; expected a table with a kind"),
        (
            arriving(period_us=5),
            f"my.toml: sources[0].arrival.kind: missing; expected one of: {', '.join(scenario.ARRIVALS)}",
        ),
        (arriving(kind="periodc"), 'my.toml: sources[0].arrival.kind: unknown kind of arrival "periodc"'),
        (arriving(kind="periodic", period_ms=5), "my.toml: sources[0].arrival.period_ms: unknown key: wrong unit"),
        (arriving(kind="periodic", rate=5), "my.toml: sources[0].arrival.rate: unknown key: no unit"),
        (
            arriving(kind="periodic", period_us="fast"),
            'my.toml: sources[0].arrival.period_us: found "fast"; expected a number',
        ),
        (
            arriving(kind="periodic", period_us=0),
            "my.toml: sources[0].arrival.period_us: found 0; expected 0.1 or more",
        ),
        (
            arriving(kind="periodic", period_us=5, rate_hz=5),
            "my.toml: sources[0].arrival: both period_us and rate_hz; expected one of them",
        ),
        (arriving(kind="poisson"), "my.toml: sources[0].arrival: neither mean_us nor rate_hz; expected one of them"),
        (
            arriving(kind="burst", on_us=5, off_us=5),
            "my.toml: sources[0].arrival.period_us: missing; expected time between items of a burst",
        ),
        (
            arriving(kind="closed", response_us=5, depth=65),
            "my.toml: sources[0].arrival.depth: 65 items outstanding do not fit a ring of 64; expected at most slots",
        ),
        (arriving(kind="recorded", names=[]), "my.toml: sources[0].arrival.names: 0 of them; expected at least 1"),
        (
            arriving(kind="recorded", names=["eth0"]),
            "my.toml: sources[0].arrival: recorded, but the scenario has no recording; expected a table [recording]",
        ),
        ({"owner": "io"}, "my.toml: sources[0].name: missing; expected a name of its own"),
    ],
)
def test_a_wrong_key_of_a_source_is_explained(one, line):
    assert problems_of(sources=[one])[0] == line


# ----------------------------------------------------------------------------------------- errors between the parts
def test_an_owner_that_does_not_exist_gets_suggestions():
    assert problems_of(sources=[source(owner="ioo"), source("net", owner="calk")]) == [
        'my.toml: sources[0].owner: no domain "ioo"',
        '  hint: did you mean "io"? Domains: calc, io',
        'my.toml: sources[1].owner: no domain "calk"',
        '  hint: did you mean "calc"? Domains: calc, io',
    ]


def test_a_pirq_may_be_used_once():
    assert problems_of(sources=[source(pirq=3), source("net", pirq=3)]) == [
        'my.toml: sources[1].pirq: 3 is already that of sources[0] ("disk"); expected a number of its own',
        "  hint: leave pirq out to get the next free one",
    ]


def test_a_name_may_be_used_once():
    assert problems_of(domains=[{"name": "io"}, {"name": "io"}], sources=[source(), source()]) == [
        'my.toml: domains[1].name: "io" is already domains[0]; expected a name of its own',
        'my.toml: sources[1].name: "disk" is already sources[0]; expected a name of its own',
    ]


def test_a_pcpu_has_to_exist():
    assert problems_of(domains=[{"name": "io", "pcpu": 1}]) == [
        "my.toml: domains[0].pcpu: no pCPU 1; expected 0: there is one pCPU",
        "my.toml: sources[0].route: no pCPU 1; expected 0: there is one pCPU",
    ]
    assert problems_of(pcpus=2, sources=[source(route=2)]) == [
        "my.toml: sources[0].route: no pCPU 2; expected 0..1: pcpus is 2"
    ]


def test_the_memory_of_domains_may_not_overlap():
    assert problems_of(domains=[{"name": "io"}, {"name": "calc", "ram_base_kib": 64}]) == [
        "my.toml: domains[1].ram_base_kib: 64-192 KiB overlaps domains[0], 0-128 KiB; expected memory of its own",
        "  hint: leave ram_base_kib out to have it placed",
    ]


def test_memory_that_touches_does_not_overlap():
    assert made(domains=[{"name": "io", "ram_base_kib": 128}, {"name": "calc", "ram_base_kib": 0}])


def test_all_domains_together_have_one_gib():
    assert made(domains=[{"name": "io", "ram_kib": 1 << 20}])
    assert problems_of(domains=[{"name": "io", "ram_kib": 1 << 20}, {"name": "calc"}]) == [
        "my.toml: domains[1].ram_kib: all memory ends at 1,048,704 KiB; expected 1,048,576 KiB or less"
    ]


def test_memory_has_to_hold_the_kernel_and_its_rings():
    rings = [source(str(i), slots=4096) for i in range(3)]
    needed = KERNEL_KIB + 100
    found = "128 is too small for the kernel and its sources' rings"
    assert problems_of(sources=rings) == [
        f"my.toml: domains[0].ram_kib: {found}; expected at least {needed}",
        "  hint: or fewer slots",
    ]
    assert made(domains=[{"name": "io", "ram_kib": needed}], sources=rings)


def test_many_problems_are_reported_together_and_in_order():
    with pytest.raises(ScenarioError) as caught:
        made(pcpus=0, drain_ms="x", sources=[source(priority=99), {}])
    wheres = [problem.where for problem in caught.value.problems]
    assert wheres == [
        "my.toml: pcpus",
        "my.toml: drain_ms",
        "my.toml: sources[0].priority",
        "my.toml: sources[1].name",
        "my.toml: sources[1].owner",
        "my.toml: sources[1].arrival",
    ]
    assert caught.value.exit_status == 2


def test_profile_and_recording_have_to_exist():
    known = ", ".join(profiles.names())
    assert problems_of(profile="power9", recording={"file": "nix"}) == [
        'my.toml: recording.file: no such file "nix"',
        "  hint: bundled recordings: virtio-irqs",
        'my.toml: profile: unknown profile "power9"',
        f'  hint: did you mean "power9-2021"? Known: {known}; or give a file, ./NAME.toml',
    ]


def test_a_design_that_does_not_exist_gets_suggestions():
    with pytest.raises(ScenarioError) as caught:
        scenario.check_design("xenppc")
    assert str(caught.value) == (
        '--design: unknown delivery design "xenppc"\n  hint: did you mean "xen-ppc"? Known: '
        + ", ".join(sorted(scenario.DESIGNS))
    )
    assert scenario.check_design("rhype") == "rhype"


# -------------------------------------------------------------------------------------------------------- files
def test_an_unknown_scenario_gets_suggestions():
    with pytest.raises(ScenarioError) as caught:
        scenario.load("sturm")
    assert str(caught.value) == (
        'unknown scenario "sturm"\n  hint: did you mean "storm"? '
        f"Known: {', '.join(sorted(scenario.names()))}; or give a file, ./NAME.toml"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory\n  hint: bundled scenarios: chatter, closed, "),
        (b"duration_ms 5", "not TOML: Expected '=' after a key"),
        (b"\xff\xfe", "not text in UTF-8; expected a scenario in TOML"),
        (b"pcpus = 1", "duration_ms: missing"),
    ],
)
def test_a_file_that_is_no_scenario_is_explained(tmp_path, content, message):
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        scenario.load(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_file_names_its_scenario_and_is_where_its_paths_start(tmp_path):
    (tmp_path / "kernel.elf").write_bytes(b"\x7fELF")
    (tmp_path / "log.txt").write_text("a-0 [000] 1.000000: irq_handler_entry: irq=1 name=eth0\n")
    (tmp_path / "cpu.toml").write_text((profiles.FOLDER / "ppc970-2006.toml").read_text())
    (tmp_path / "mine.toml").write_text(
        """
        duration_ms = 5
        profile = "cpu.toml"
        recording = { file = "log.txt" }
        domains = [{ name = "io", image = "kernel.elf" }]
        sources = [{ name = "net", owner = "io", arrival = { kind = "recorded", names = ["eth0"] } }]
        """
    )
    mine = scenario.load(tmp_path / "mine.toml")
    assert mine.name == "mine"
    assert mine.domains[0].image == str(tmp_path / "kernel.elf")
    assert scenario.resolve_profile(mine).name == "ppc970-2006"
    assert scenario.arrivals(mine)["net"].tolist() == [0]


def test_the_schema_is_json_and_shows_what_is_required():
    schema = json.loads(json.dumps(scenario.schema()))
    assert set(schema["required"]) == {"name", "duration_ms", "domains"}
    assert "default" not in schema["$defs"]["Domain"]["properties"]["pcpu"]
    assert schema["$defs"]["Source"]["properties"]["priority"]["maximum"] == 13


# ---------------------------------------------------------------------------------------------------- overrides
def test_set_changes_one_key_and_nothing_else(default):
    changed = scenario.with_overrides(default, ["duration_ms=50", "cpu=power8", "sources.net-rx.trigger=level"])
    assert (changed.duration_ms, changed.cpu, changed.source("net-rx").trigger) == (50, "power8", "level")
    assert changed.sources[0] == default.sources[0]
    assert default.duration_ms == 200
    assert scenario.with_overrides(default, []) is default


def test_set_derives_again_what_was_derived():
    small = made(pcpus=2)
    changed = scenario.with_overrides(small, ["pcpus=1", "sources.disk.owner=calc"])
    assert [domain.pcpu for domain in changed.domains] == [0, 0]
    assert scenario.with_overrides(small, ["domains.io.pcpu=1"]).source("disk").route == 1


def test_set_finds_parts_by_number_and_by_the_longest_name():
    small = made(sources=[source("a"), source("a.b")])
    changed = scenario.with_overrides(small, ["sources.a.b.slots=8", "sources[0].slots=16", "scheduler.boost=false"])
    assert [s.slots for s in changed.sources] == [16, 8]
    assert changed.scheduler.boost is False


def test_set_replaces_a_period_by_a_rate():
    assert scenario.with_overrides(made(), ["sources.disk.arrival.rate_hz=500"]).sources[0].arrival == Periodic(
        rate_hz=500
    )


def test_set_reaches_the_profile(default):
    changed = scenario.with_overrides(default, ["profile.hcall_rt=900", "profile.switch_penalty=high"])
    assert scenario.resolve_profile(changed).cycles("hcall_rt") == 900
    assert scenario.resolve_profile(changed).cycles("switch_penalty") == 5000
    again = scenario.with_overrides(changed, ["profile.hcall_rt=901"])
    assert again.profile_overrides == {"hcall_rt": 901, "switch_penalty": "high"}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("duration_ms", '--set: "duration_ms" has no "="; expected KEY=VALUE, such as duration_ms=50'),
        ("duration_s=5", "small with --set duration_s=5: duration_s: unknown key: wrong unit\n  hint: use duration_ms"),
        ("pcpus=x", 'small with --set pcpus=x: pcpus: found "x"; expected a whole number'),
        (
            "sources.dsk.slots=5",
            'small with --set sources.dsk.slots=5: sources.dsk.slots: no source "dsk"\n  hint: did you mean "disk"?',
        ),
        (
            "sources[3].slots=5",
            "small with --set sources[3].slots=5: sources[3].slots: no sources[3]; expected sources[0].KEY",
        ),
        ("sources[0]=5", "small with --set sources[0]=5: sources[0]: ends in a table"),
        ("seed.x=5", 'small with --set seed.x=5: seed.x: "x" leads nowhere; expected a key such as'),
        ("=5", 'small with --set =5: : "" leads nowhere'),
        ("profile.hcal_rt=5", "small with --set profile.hcal_rt=5: profile.hcal_rt: no such number"),
        ("profile=x", 'small with --set profile=x: unknown profile "x"'),
    ],
)
def test_a_setting_that_leads_nowhere_is_explained(setting, message):
    small = scenario.with_overrides(made(), ["seed=7"])
    with pytest.raises(ScenarioError) as caught:
        scenario.with_overrides(small, [setting])
    assert str(caught.value).startswith(message)


# -------------------------------------------------------------------------------------------------------- sweeps
def test_a_sweep_is_one_scenario_per_value():
    swept = made(sweep={"key": "sources.disk.arrival.rate_hz", "values": [1000, 2000.5]})
    runs = scenario.expand(swept)
    assert [label for label, _ in runs] == ["rate_hz=1000", "rate_hz=2000.5"]
    assert [run.source("disk").arrival for _, run in runs] == [Periodic(rate_hz=1000), Periodic(rate_hz=2000.5)]
    assert all(run.sweep is None for _, run in runs)


def test_a_scenario_without_a_sweep_is_its_only_run():
    small = made()
    assert scenario.expand(small) == [("", small)]


def test_a_sweep_that_leads_nowhere_is_found_when_the_scenario_is_read():
    assert problems_of(sweep={"key": "sources.dsk.slots", "values": [8]}) == [
        'my.toml: sweep: sources.dsk.slots: no source "dsk"',
        '  hint: did you mean "disk"? Sources: disk',
    ]


# --------------------------------------------------------------------------------------------------- fingerprints
def test_a_fingerprint_covers_what_decides_a_result_and_nothing_else(tmp_path):
    small = made()
    print_of = scenario.fingerprint
    assert print_of(small) == print_of(made(name="other", description="x"))
    assert print_of(small) == print_of(made(sources=[source(pirq=1)]))
    assert print_of(small) == print_of(made(duration_ms=5.0))
    for different in (made(seed=2), made(profile="ppc970-2006"), made(profile_overrides={"hcall_rt": 1})):
        assert print_of(small) != print_of(different)


def test_a_fingerprint_looks_into_files_not_at_their_names(tmp_path):
    log = "a-0 [000] 1.000000: irq_handler_entry: irq=1 name=eth0\n"
    prints = []
    for name, text in (("a.txt", log), ("b.txt", log), ("c.txt", log * 2)):
        (tmp_path / name).write_text(text)
        prints.append(scenario.fingerprint(made(recording={"file": str(tmp_path / name)})))
    assert prints[0] == prints[1] != prints[2]


# ------------------------------------------------------------------------------------------------ recorded input
def test_recorded_sources_carry_their_arrivals_in_ns_from_the_start(default):
    arrivals = scenario.arrivals(default)
    assert {name: len(offsets) for name, offsets in arrivals.items()} == {"disk": 2920, "net-rx": 50, "net-tx": 56}
    for offsets in arrivals.values():
        assert offsets.dtype == np.int64
        assert offsets[0] >= 0
        assert np.all(np.diff(offsets) >= 0)
        assert offsets[-1] < default.duration_ns


def test_a_scenario_without_recorded_sources_has_no_arrivals():
    assert scenario.arrivals(made()) == {}
    assert scenario.recorded_input(made()) is None


def test_a_recorded_name_that_is_not_in_the_log_is_explained(default):
    changed = scenario.with_overrides(default, ['sources.disk.arrival.names=["virtio1"]'])
    with pytest.raises(RecordingError) as caught:
        scenario.arrivals(changed)
    assert 'no interrupt named "virtio1"\n  hint: did you mean "virtio1-req.0"' in str(caught.value)


def test_a_log_of_ones_own_takes_the_densest_window_and_one_source_per_name(default, bundled_log):
    used = scenario.use_recording(default, bundled_log)
    assert [s.name for s in used.sources] == ["virtio1-req.0", "virtio3-rx", "virtio3-tx"]
    assert {s.owner for s in used.sources} == {"io"}
    assert scenario.recorded_input(used).describe() == "3,026 of 39,511 interrupts, 9.22-9.42 s"
    assert used.duration_ms == default.duration_ms


@pytest.mark.parametrize(
    ("options", "duration_ms", "description"),
    [
        ({"window": "4.04:0.1"}, 100, "13 of 39,511 interrupts, 4.04-4.14 s"),
        ({"window": "all"}, 13950.192001, "39,511 of 39,511 interrupts, 0.00-13.95 s"),
        ({"window": "0:2", "speed": 4.0}, 500, "7,324 of 39,511 interrupts, 0.00-2.00 s, at 4 times the speed"),
        ({"irq": ["virtio3-rx"]}, 200, "110 of 39,511 interrupts, 9.96-10.16 s"),
    ],
)
def test_window_irq_and_speed_change_what_is_taken(default, bundled_log, options, duration_ms, description):
    used = scenario.use_recording(default, bundled_log, **options)
    assert used.duration_ms == pytest.approx(duration_ms)
    assert scenario.recorded_input(used).describe() == description
    posted = sum(len(offsets) for offsets in scenario.arrivals(used).values())
    assert posted == len(scenario.recorded_input(used))


def test_a_replacing_source_is_wired_like_the_one_it_replaces(bundled_log):
    swapped = made(
        recording={"file": "virtio-irqs"},
        sources=[
            source("kept"),
            source("first", "calc", trigger="level", pirq=9, arrival={"kind": "recorded", "names": ["other"]}),
            source("second", priority=7, arrival={"kind": "recorded", "names": ["virtio3-rx"]}),
        ],
    )
    used = scenario.use_recording(swapped, bundled_log)
    assert [(s.name, s.owner, s.trigger, s.priority) for s in used.sources] == [
        ("kept", "io", "edge", 5),
        ("virtio1-req.0", "calc", "level", 5),
        ("virtio3-rx", "io", "edge", 7),
        ("virtio3-tx", "calc", "level", 5),
    ]


def test_a_scenario_without_recorded_sources_gives_all_of_them_away(bundled_log):
    used = scenario.use_recording(scenario.load("storm"), bundled_log)
    assert all(isinstance(s.arrival, Recorded) for s in used.sources)
    assert used.sweep is None


def test_a_log_with_broken_lines_stays_skippable(tmp_path, default):
    path = tmp_path / "log.txt"
    path.write_text("garbage\na-0 [000] 1.000000: irq_handler_entry: irq=1 name=eth0\n")
    used = scenario.use_recording(default, scenario.open_recording(path, skip_bad_lines=True))
    assert scenario.recorded_input(used).bad_lines == 1


def test_names_that_no_source_can_have_are_made_printable_and_stay_apart(tmp_path, default):
    path = tmp_path / "log.txt"
    path.write_text("".join(f"a-0 [000] 1.{i:06d}: irq_handler_entry: irq=1 name=ä{c}\n" for i, c in enumerate("äö")))
    used = scenario.use_recording(default, recording.read(path))
    assert [s.name for s in used.sources] == ["??", "?? (2)"]
    assert [len(offsets) for offsets in scenario.arrivals(used).values()] == [1, 1]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (
            {"window": "5"},
            UsageError,
            '--window: found "5"; expected START:LENGTH in seconds, such as 4.04:0.2, or all',
        ),
        ({"window": "5:-1"}, UsageError, '--window: found "5:-1"'),
        ({"window": "20:1"}, UsageError, "window 20:1: lies outside the recording"),
        ({"speed": 0}, UsageError, "speed: found 0; expected more than 0"),
        ({"irq": ["eth0"]}, RecordingError, 'no interrupt named "eth0"\n  hint: In the log: virtio1-req.0'),
        ({"window": "0.001:0.01"}, RecordingError, "no interrupt in the window 0.00-0.01 s\n  hint: --window all"),
    ],
)
def test_a_part_of_a_log_that_is_none_is_explained(default, bundled_log, options, kind, message):
    with pytest.raises(kind) as caught:
        scenario.use_recording(default, bundled_log, **options)
    assert message in str(caught.value)


def test_a_log_with_too_many_names_asks_to_pick_some(tmp_path, default):
    path = tmp_path / "log.txt"
    path.write_text("".join(f"a-0 [000] 1.000000: irq_handler_entry: irq=1 name=n{i}\n" for i in range(300)))
    with pytest.raises(ScenarioError) as caught:
        scenario.use_recording(default, recording.read(path))
    assert str(caught.value).endswith(
        "300 names of interrupts in the window; expected 255 or fewer\n  hint: --irq NAME picks some"
    )


# ---------------------------------------------------------------------------------------------- bundled scenarios
@pytest.mark.parametrize("name", scenario.names())
def test_a_bundled_scenario_says_what_it_shows_and_keeps_the_sizing_rule(name):
    for _, run in scenario.expand(scenario.load(name)):
        costs = scenario.resolve_profile(run)
        assert run.name == name
        assert len(run.description) > 100
        assert "  " not in run.description
        assert run.duration_ns / 1e9 * costs.clock_hz * run.pcpus / costs.cycles_per_instruction <= 800e6
        assert scenario.expected_instructions(run, costs) <= 900e6
        assert scenario.expected_interrupts(run) > 50 or any(s.arrival.kind == "free" for s in run.sources)


def test_the_bundled_scenarios_are_those_of_the_reference():
    page = REFERENCE.read_text()
    for name in scenario.names():
        assert f"| `{name}` |" in page


def test_disk_and_net_plays_the_densest_200_ms_to_a_sleeper_among_computing_domains(default):
    assert scenario.recorded_input(default).describe() == "3,026 of 39,511 interrupts, 9.22-9.42 s"
    assert default.duration_ms == 200
    assert [(d.name, d.pcpu, d.compute) for d in default.domains] == [
        ("io", 0, False),
        ("calc0", 0, True),
        ("calc1", 1, True),
        ("calc2", 1, True),
    ]
    assert {s.owner for s in default.sources} == {"io"}


def test_in_foreign_the_owner_of_every_source_sleeps_and_another_computes_on_its_pcpu():
    foreign = scenario.load("foreign")
    for s in foreign.sources:
        assert not foreign.domain(s.owner).compute
    assert foreign.pcpus == 1
    assert any(domain.compute for domain in foreign.domains)


def test_in_kick_interrupts_arrive_where_their_owner_does_not_run():
    kick = scenario.load("kick")
    assert [(s.route, kick.domain(s.owner).pcpu) for s in kick.sources] == [(1, 0)]


def test_closed_has_one_item_outstanding_and_nothing_else_to_do():
    closed = scenario.load("closed")
    assert [s.arrival for s in closed.sources] == [Closed(response_us=1, depth=1)]
    assert not any(domain.compute for domain in closed.domains)


def test_storm_sweeps_its_rate_upwards():
    rates = [run.source("storm").arrival.rate_hz for _, run in scenario.expand(scenario.load("storm"))]
    assert rates == sorted(rates)
    assert rates[-1] / rates[0] >= 32


# ---------------------------------------------------------------------------------------------------------- size
def test_a_computing_pcpu_counts_fully_and_a_sleeping_one_by_its_interrupts():
    costs = scenario.resolve_profile(made())
    asleep = made(pcpus=2, drain_ms=0)
    awake = made(pcpus=2, drain_ms=0, domains=[{"name": "io"}, {"name": "calc", "compute": True}])
    assert scenario.expected_instructions(asleep, costs) == 50 * scenario.INSTRUCTIONS_PER_INTERRUPT
    full = 0.005 * costs.clock_hz / costs.cycles_per_instruction
    assert scenario.expected_instructions(awake, costs) == full + 50 * scenario.INSTRUCTIONS_PER_INTERRUPT
    assert scenario.expected_seconds(awake, costs) == pytest.approx(0.04, rel=0.01)


@pytest.mark.parametrize(
    ("arrival", "count"),
    [
        ({"kind": "poisson", "rate_hz": 1000}, 5),
        ({"kind": "burst", "on_us": 100, "off_us": 300, "period_us": 10}, 125),
        ({"kind": "closed", "response_us": 9, "depth": 2}, 1000),
        ({"kind": "manual"}, 0),
    ],
)
def test_the_number_of_interrupts_follows_from_the_arrivals(arrival, count):
    assert scenario.expected_interrupts(made(sources=[source(arrival=arrival)])) == pytest.approx(count)


# ------------------------------------------------------------------------------------------------- the reference page
@pytest.mark.parametrize(
    "model",
    [Scenario, Domain, Source, scenario.Channel, scenario.Scheduler, scenario.RecordingUse, scenario.Sweep],
)
def test_the_reference_page_lists_every_key(model):
    page = REFERENCE.read_text()
    for key in model.model_fields:
        assert f"| `{key}` |" in page, key


@pytest.mark.parametrize("kind", scenario.ARRIVALS)
def test_the_reference_page_lists_every_arrival_with_its_keys(kind):
    table = REFERENCE.read_text().partition("| `arrival.kind` |")[2]
    row = next(line for line in table.splitlines() if line.startswith(f"| `{kind}` |"))
    for key in scenario.ARRIVALS[kind].model_fields:
        assert key == "kind" or f"`{key}`" in row, key


def test_every_key_has_a_description_for_the_schema():
    for model in (Scenario, Domain, Source, scenario.Scheduler, scenario.RecordingUse, scenario.Sweep, Closed):
        for key, value in model.model_fields.items():
            assert value.description or key == "kind", key


def test_reading_what_people_hand_in_needs_neither_numba_nor_numpy():
    code = (
        "import sys; from irqvisor.lab import profile, recording, scenario; scenario.load('periodic'); "
        "print([m for m in ('numba', 'numpy') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SOURCES)
    assert shown.stdout.strip() == "[]"
