"""Recordings: both layouts of an ftrace log, windows of it, and files that are something else."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqvisor.errors import RecordingError, UsageError
from irqvisor.lab import recording

TRACING_FILE = b"""\
# tracer: nop
#
# entries-in-buffer/entries-written: 4/4   #P:2
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
          <idle>-0       [001] d.h..   100.000001: irq_handler_entry: irq=36 name=virtio1-req.0
          <idle>-0       [001] d.h..   100.000003: irq_handler_exit: irq=36 ret=handled
            bash-1234    [000] d.h1.   100.000500: irq_handler_entry: irq=41 name=eth0-rx
CPU:1 [LOST 12 EVENTS]
##### CPU 1 buffer started ####
            bash-1234    [000] d.h1.   100.000600: local_timer_entry: vector=236
            bash-1234    [000] d.h1.   100.000700: <stack trace>
 => handle_irq_event
"""

TRACE_CMD = b"""\
version = 6
CPU 3 is empty
cpus=2
          <idle>-0     [001]   100.000001: irq_handler_entry:    irq=36 name=virtio1-req.0
            bash-1234  [000] d.h1.   100.000500: irq_handler_entry:    irq=41 name=eth0-rx
            bash-1234  [000]   100.000700: sched_switch:         bash:1234 [120] S ==> swapper/0:0 [120]
"""


def line(at_us, name="disk", cpu=0, irq=36):
    return f"task-0 [{cpu:03d}] d.h.. {at_us // 10**6}.{at_us % 10**6:06d}: irq_handler_entry: irq={irq} name={name}\n"


@pytest.fixture
def log(tmp_path):
    """Writes a log and reads it."""

    def read(text, **options):
        path = tmp_path / "log.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return recording.read(path, **options)

    return read


@pytest.fixture
def problem(log):
    """Reads a log that cannot be read; the message without the folder."""

    def read(text):
        with pytest.raises(RecordingError) as caught:
            log(text)
        return str(caught.value)

    return read


@pytest.fixture(scope="module")
def bundled():
    return recording.read("virtio-irqs")


def interrupts(rec):
    return [
        (int(t), int(i), int(c), rec.names[n])
        for t, i, c, n in zip(rec.time_ns, rec.irq, rec.cpu, rec.name, strict=True)
    ]


@pytest.mark.parametrize("text", [TRACING_FILE, TRACE_CMD], ids=["tracing file", "trace-cmd report"])
def test_both_layouts_hold_the_same_interrupts(log, text):
    rec = log(text)
    assert interrupts(rec) == [(0, 36, 1, "virtio1-req.0"), (499_000, 41, 0, "eth0-rx")]
    assert rec.bad_lines == 0
    assert rec.whole_ns == 699_001


@pytest.mark.parametrize(
    ("text", "cpu"),
    [
        ("task-0 [001] d.h.. 5.000000: irq_handler_entry: irq=36 name=disk", 1),
        ("task-0 [001] 5.000000: irq_handler_entry: irq=36 name=disk", 1),
        ("task-0 [001] 5.000000000: irq_handler_entry:   irq=36 name=disk", 1),
        ("task-0 d.h.. 5.000000: irq_handler_entry: irq=36 name=disk", -1),
        ("task-0 5.000000: irq_handler_entry: irq=36 name=disk", -1),
        ("task-0 ( 1234) [001] d.h.. 5.000000: irq_handler_entry: irq=36 name=disk", 1),
        ("task-0 (-----) [001] d.h.. 5.000000: irq_handler_entry: irq=36 name=disk", 1),
        ("kworker/0:1-events-77 [001] dNH2. 5.000000: irq_handler_entry: irq=36 name=disk", 1),
        ("Web Content: 7-1-77 [001] d.h.. 5.000000: irq_handler_entry: irq=36 name=disk", 1),
        ("a-1 b: c-77 [001] d.h.. 5.000000: irq_handler_entry: irq=36 name=disk", 1),
        ("task-0 [128] d.h.. 5.000000: irq:irq_handler_entry: irq=36 name=disk\r", 128),
    ],
)
def test_task_cpu_and_flags_come_in_many_shapes(log, text, cpu):
    assert interrupts(log(text)) == [(0, 36, cpu, "disk")]


def test_names_may_hold_spaces_and_brackets(log):
    rec = log(line(5, "ahci[0000:00:1f.2] port 1 "))
    assert rec.names == ("ahci[0000:00:1f.2] port 1",)


def test_microseconds_and_nanoseconds_are_told_apart_by_their_digits(log):
    text = "a-0 [000] 5.000001: irq_handler_entry: irq=1 name=x\na-0 [000] 5.000001002: irq_handler_entry: irq=1 name=x"
    assert log(text).time_ns.tolist() == [0, 2]


def test_cpus_are_merged_by_time_and_equal_times_keep_the_order_of_the_file(log):
    rec = log(line(30, "a", 1) + line(10, "b", 0) + line(30, "c", 0) + line(20, "d", 1))
    assert [(t, name) for t, _, _, name in interrupts(rec)] == [(0, "b"), (10_000, "d"), (20_000, "a"), (20_000, "c")]


def test_time_counts_from_the_first_event_of_any_kind(log):
    rec = log("a-0 [000] 5.000000: sched_switch: x\n" + line(5_000_100))
    assert rec.time_ns.tolist() == [100_000]


def test_the_last_line_may_lack_its_end_and_gzip_is_told_by_content(log):
    assert len(log(gzip.compress(line(5).rstrip().encode()))) == 1


def test_lines_that_cross_blocks_are_whole(log, monkeypatch):
    monkeypatch.setattr(recording, "BLOCK", 100)
    assert len(log("".join(line(i) for i in range(50)))) == 50


def test_the_bundled_recording_holds_what_its_page_says(bundled):
    assert (bundled.lines, bundled.total, bundled.bad_lines) == (84_050, 39_511, 0)
    assert bundled.counts() == {"virtio1-req.0": 36_544, "virtio3-rx": 1_448, "virtio3-tx": 1_519}
    assert len(bundled.window(0, 0.2)) == 1
    assert "36,544" in (recording.FOLDER / "README.md").read_text()


def test_the_densest_200_ms_of_the_bundled_recording_start_at_9_220_s(bundled):
    start = bundled.densest(0.2)
    assert round(start, 3) == 9.220
    assert bundled.window(start, 0.2).describe() == "3,026 of 39,511 interrupts, 9.22-9.42 s"


# ---------------------------------------------------------------------------------------------------- choosing a part
def test_a_window_includes_its_start_and_excludes_its_end(log):
    rec = log(line(0) + line(1_000_000) + line(2_000_000))
    assert rec.window(1, 1).offsets().tolist() == [0]
    assert rec.window(1, 1.000001).offsets().tolist() == [0, 1_000_000_000]


@pytest.mark.parametrize(
    ("start", "length", "message"),
    [
        (5, 1, "window 5:1: lies outside the recording; expected a start and a length in seconds within 0-2.00 s of"),
        (-1, 1, "window -1:1: lies outside the recording"),
        (0, 0, "window 0:0: is empty"),
    ],
)
def test_a_window_outside_of_the_recording_is_explained(log, start, length, message):
    with pytest.raises(UsageError) as caught:
        log(line(0) + line(2_000_000)).window(start, length)
    assert str(caught.value).startswith(message)


@given(
    times=st.lists(st.integers(0, 40), min_size=1, max_size=30).map(sorted),
    length=st.integers(1, 50),
)
def test_no_window_holds_more_than_the_densest(times, length):
    ns = np.array(times, np.int64) - times[0]
    zeros = np.zeros(len(ns), np.int32)
    whole = int(ns[-1]) + 1
    rec = recording.Recording(Path("x"), ("a",), ns, zeros, zeros, zeros, 0, whole, whole, len(ns))
    found = len(rec.window(rec.densest(length / 1e9), length / 1e9))
    assert found == max(int(((ns >= s) & (ns < s + length)).sum()) for s in range(whole))


def test_the_densest_window_does_not_run_past_the_end_of_the_log(log):
    rec = log(line(0) + line(2_900_000) + line(3_000_000))
    assert rec.densest(1) == 2.000000001
    assert rec.window(rec.densest(1), 1).describe() == "2 of 3 interrupts, 2.00-3.00 s"
    assert rec.densest(9) == 0


def test_selecting_keeps_the_names_and_the_total_of_the_file(log):
    rec = log(line(0, "a", 0) + line(1, "b", 1) + line(2, "a", 1))
    only = rec.select(["a"])
    assert (len(only), only.total, only.names, only.counts()) == (2, 3, ("a", "b"), {"a": 2})
    assert only.describe() == "2 of 3 interrupts, 0.00-0.00 s"
    assert rec.select(["a"], cpus=[1]).time_ns.tolist() == [2000]


def test_a_name_that_is_not_in_the_log_gets_suggestions(log):
    with pytest.raises(RecordingError) as caught:
        log(line(0, "virtio1") + line(1, "eth0")).select(["virtio"])
    assert 'no interrupt named "virtio"\n  hint: did you mean "virtio1"? In the log: eth0, virtio1' in str(caught.value)


def test_twice_the_speed_halves_every_offset_and_says_so(log):
    rec = log(line(0) + line(1_000_001) + line(3_000_000)).speed(2)
    assert rec.offsets().tolist() == [0, 500_000_500, 1_500_000_000]
    assert rec.window(1, 2).offsets().tolist() == [500]
    assert rec.window(1, 2).duration_ns == 1_000_000_000
    assert rec.describe() == "3 of 3 interrupts, 0.00-3.00 s, at 2 times the speed"


@pytest.mark.parametrize("x", [0, -1, float("nan"), float("inf")])
def test_a_speed_that_is_none_is_refused(bundled, x):
    with pytest.raises(UsageError, match="speed: found"):
        bundled.speed(x)


# ------------------------------------------------------------------------------------------------------------ bad files
def test_broken_lines_are_counted_and_the_first_is_named(problem):
    text = line(0) + "garbage \x1b[1m\n" + line(1) + "task-0 [000] d.h.. 1.0: irq_handler_entry: irq=x name=y\n"
    message = problem(text)
    assert 'log.txt: line 2: 2 broken lines of 4, the first: "garbage ?[1m"; expected lines such as "task-0' in message
    assert message.endswith("hint: --skip-bad-lines goes on without them")


def test_broken_lines_can_be_skipped_and_stay_counted(log):
    rec = log(line(0) + "garbage\n" + line(1) + "x" * 500, skip_bad_lines=True)
    assert (len(rec), rec.bad_lines, rec.first_bad) == (2, 2, (2, "garbage"))


def test_a_long_broken_line_is_quoted_in_part(problem):
    assert f'"{"x" * 100}..."' in problem("x" * 500 + "\n" + line(0))


@pytest.mark.parametrize(
    "broken", ["irq_handler_entry: irq=36", "irq_handler_entry: irq=36 name=", "irq_handler_entry:"]
)
def test_an_entry_without_number_or_name_is_broken(log, broken):
    rec = log(line(0) + f"task-0 [000] d.h.. 1.000000: {broken}\n", skip_bad_lines=True)
    assert (len(rec), rec.bad_lines) == (1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "log.txt: empty; expected lines such as"),
        (b"# tracer: nop\n", "log.txt: no irq_handler_entry in its 1 lines; expected lines such as"),
        (b"hello\n", 'log.txt: line 1: a broken line: "hello"'),
        (b"\x7fELF\0\0\0", "log.txt: binary data; expected the text of an ftrace log, plain or .gz"),
        (line(0).encode() * 20 + b"\0", "log.txt: binary data"),
        (b"\x17\x08\x44tracing6\0", "log.txt: a binary trace.dat; expected the text"),
        (b"PERFILE2", "log.txt: a binary perf.data"),
        (b"\x28\xb5\x2f\xfd", "log.txt: compressed with zstd"),
        (
            gzip.compress(TRACING_FILE, mtime=0)[:-12],
            "log.txt: the compressed data is cut short or damaged after line ",
        ),
        (
            gzip.compress(TRACING_FILE, mtime=0)[:40] + b"garbage",
            "log.txt: the compressed data is cut short or damaged",
        ),
    ],
)
def test_a_file_that_is_no_log_is_explained(problem, text, message):
    assert message in problem(text)


def test_a_binary_trace_dat_comes_with_the_command_that_converts_it(problem):
    assert problem(b"\x17\x08\x44tracing6\0").endswith("hint: trace-cmd report trace.dat > trace.txt")


def test_a_log_of_something_else_says_how_to_record(problem):
    assert problem(b"a-0 [000] 1.000000: sched_switch: x\n").endswith(
        "hint: record with: trace-cmd record -e irq:irq_handler_entry; trace-cmd report > trace.txt"
    )


def test_a_line_without_end_is_binary_and_does_not_fill_memory(problem, monkeypatch):
    monkeypatch.setattr(recording, "BLOCK", 1000)
    assert "binary data" in problem(b"x" * 5000)


def test_a_file_that_is_not_there_names_the_bundled_ones(tmp_path):
    with pytest.raises(RecordingError) as caught:
        recording.read(tmp_path / "no.txt")
    assert str(caught.value) == f"{tmp_path / 'no.txt'}: no such file\n  hint: bundled: virtio-irqs"
    with pytest.raises(RecordingError, match="cannot be read: Is a directory"):
        recording.read(tmp_path)
