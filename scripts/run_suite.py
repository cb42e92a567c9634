#!/usr/bin/env python3
"""Run a directory of built kvm-unit-tests for powerpc on the pseries board, as its unittests.cfg says.

    scripts/run_suite.py BUILD/powerpc SOURCE/powerpc/unittests.cfg --qemu

One row a test: its verdict, what it counted, instructions, wall and processor time of the whole process; with --qemu
the same test under QEMU beside it, and irqvisor's wall time by QEMU's. The last row is irqvisor's start alone.
--baseline compares with an earlier table and fails if a test passed there and does not here; --write makes one.
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RTC = 1_141_948_800
NEEDS = {"migration": "migration", "h_cede_tm": "transactional memory"}
SKIP_STATUS = 77
LOOP = bytes.fromhex("48000000")
"""b ."""
HEADINGS = (f"{'test':26}", "result", "pass", "fail", "skip", f"{'instructions':>14}", f"{'seconds':>8}", f"{'CPU':>6}")
START_TIMEOUT = 600
"""Seconds; the first start compiles."""
QEMU = ("qemu-system-ppc64", "-nodefaults", "-display", "none", "-serial", "stdio", "-cpu", "power8")
QEMU_MACHINE = "pseries,ic-mode=xics,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off"


def parse(text: str) -> dict[str, dict[str, str]]:
    """The tests of a unittests.cfg."""
    tests: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if found := re.fullmatch(r"\s*\[(.+)\]\s*", line):
            tests[found[1]] = {}
        elif found := re.fullmatch(r"\s*(\w+)\s*=\s*(.*?)\s*", line):
            value = found[2]
            if value[:1] in "'\"" and value[-1:] == value[:1]:
                value = value[1:-1]
            tests[list(tests)[-1]][found[1]] = value
    return tests


def dates(text: str, now: int) -> str:
    """The list's $(date ...) commands, answered."""

    def answer(found: re.Match[str]) -> str:
        day = re.search(r"--date=\\?[\"']?([0-9-]+)", found[0])
        return str(int(datetime.fromisoformat(day[1]).replace(tzinfo=UTC).timestamp()) if day else now)

    return re.sub(r"\$\(date[^)]*\)", answer, text)


def why_not(test: dict[str, str]) -> str:
    """Why a test of the list is not one for this board; empty: it is."""
    groups = test.get("groups", "").split()
    for group, need in NEEDS.items():
        if group in groups:
            return f"needs {need}"
    if test.get("machine", "pseries") != "pseries":
        return f"is for {test['machine']}"
    if test.get("accel", "tcg").startswith("kvm"):
        return "needs KVM"
    return ""


def options(test: dict[str, str], clock: str) -> tuple[list[str], list[str]]:
    """Options of `irqvisor boot`, and those of QEMU beside them."""
    params = test.get("qemu_params", "")
    smp = test.get("smp", "1")
    count, threads = smp.split(",")[0], (re.search(r"threads=(\d+)", smp) or ["", "1"])[1]
    memory = (re.search(r"-m (\w+)", params) or ["", "256m"])[1]
    base = re.search(r"-rtc base=\"?([0-9-]+)", params)
    rtc = int(datetime.fromisoformat(base[1]).replace(tzinfo=UTC).timestamp()) if base else RTC
    if shift := re.search(r"-icount shift=(\d+)", params):
        clock = str(1_000_000_000 >> int(shift[1]))
    ours = ["--cpus", count, "--threads", threads, "--memory", memory, "--rtc", str(rtc), "--clock", clock]
    if test.get("test_args"):
        ours += ["--append", dates(test["test_args"], rtc)]
    theirs = ["-smp", count, "-m", memory, "-accel", test.get("accel", "tcg")]  # TCG has one thread a core
    if test.get("test_args"):
        theirs += ["-append", dates(test["test_args"], int(time.time()))]
    if base:
        theirs += ["-rtc", f"base={base[1]}"]
    if shift:
        theirs += ["-icount", f"shift={shift[1]}"]
    return ours, theirs


def verdict(console: str, *, finished: bool) -> dict[str, Any]:
    """What a test said."""
    status = re.findall(r"^EXIT: STATUS=(\d+)", console, re.MULTILINE)
    counts = {word: len(re.findall(f"^{word}:", console, re.MULTILINE)) for word in ("PASS", "FAIL", "SKIP")}
    if not finished or not status:
        result = "HANG"
    elif int(status[-1]) == SKIP_STATUS:
        result = "SKIP"
    else:
        result = "PASS" if int(status[-1]) >> 1 == 0 else "FAIL"
    failed = re.findall(r"^(?:FAIL: .*|.*assert failed.*|Unhandled.*)$", console, re.MULTILINE)
    return {"result": result, "counts": counts, "failed": failed}


class Watch:
    """Seconds since it was made: by the wall, and of the processor for children that have ended."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), self._spent()

    @staticmethod
    def _spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def read(self) -> dict[str, float]:
        """Both."""
        wall, cpu = self._began
        return {"seconds": time.perf_counter() - wall, "cpu_seconds": self._spent() - cpu}


def run_ours(image: Path, extra: list[str], timeout: float) -> dict[str, Any]:
    """One test on our board."""
    watch = Watch()
    command = [sys.executable, "-m", "irqvisor", "boot", str(image), "--json", *extra]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        boot = json.loads(done.stdout)["boot"]
    except (subprocess.TimeoutExpired, ValueError):
        boot = {"console": "", "stop": "timeout", "instructions": 0}
    row = verdict(boot["console"], finished=boot["stop"] == "power-off")
    return {**row, **watch.read(), "instructions": boot["instructions"]}


def run_qemu(image: Path, extra: list[str], timeout: float) -> dict[str, Any]:
    """One test under QEMU."""
    watch = Watch()
    command = [*QEMU, "-machine", QEMU_MACHINE, "-bios", str(image.parent / "boot_rom.bin"), "-kernel", str(image)]
    try:
        done = subprocess.run(
            [*command, *extra], capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
        )
        row = verdict(done.stdout, finished=True)
    except subprocess.TimeoutExpired:
        row = verdict("", finished=False)
    return {**row, **watch.read()}


def bare_start() -> dict[str, Any]:
    """`irqvisor boot` with nothing to do."""
    with tempfile.NamedTemporaryFile() as image:
        image.write(LOOP)
        image.flush()
        return {**run_ours(Path(image.name), ["--max-instructions", "1"], START_TIMEOUT), "result": ""}


def line(name: str, row: dict[str, Any]) -> str:
    """A row of the table."""
    counts = [f"{row['counts'][word]:4}" for word in ("PASS", "FAIL", "SKIP")]
    ours = f"{row['instructions']:14,} {row['seconds']:8.2f} {row['cpu_seconds']:6.2f}"
    text = " ".join([f"{name:26}", f"{row['result']:6}", *counts, ours])
    if "qemu" not in row:
        return text
    theirs = row["qemu"]
    return f"{text}  {theirs['result']:6} {theirs['seconds']:7.2f} {row['seconds'] / theirs['seconds']:6.1f}"


def main() -> int:
    """Run the tests and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path, help="the directory with *.elf and boot_rom.bin")
    parser.add_argument("list", type=Path, help="unittests.cfg")
    parser.add_argument("tests", nargs="*", help="only these")
    parser.add_argument("--clock", default="32M", help="instructions a second of virtual time; many tests wait")
    parser.add_argument("--timeout", type=float, default=600, help="seconds of wall time a test may take")
    parser.add_argument("--qemu", action="store_true", help="run each under QEMU too")
    parser.add_argument("--baseline", type=Path, help="a table of --write: what passed there must pass here")
    parser.add_argument("--write", type=Path, help="write the results as JSON")
    chosen = parser.parse_intermixed_args()
    baseline = json.loads(chosen.baseline.read_text()) if chosen.baseline else {}
    rows: dict[str, dict[str, Any]] = {}
    worse = []
    start = bare_start()
    print(" ".join(HEADINGS) + ("  QEMU   seconds  ratio" if chosen.qemu else ""))
    for name, test in parse(chosen.list.read_text()).items():
        if chosen.tests and name not in chosen.tests:
            continue
        if reason := why_not(test):
            print(f"{name:26} -      {reason}")
            continue
        ours, theirs = options(test, chosen.clock)
        image = chosen.build / test["file"]
        qemu = run_qemu(image, theirs, chosen.timeout) if chosen.qemu else None  # first: its arguments have the time
        row = run_ours(image, ours, chosen.timeout)
        if qemu:
            row["qemu"] = qemu
        rows[name] = row
        print(line(name, row), flush=True)
        for failure in row["failed"]:
            print(f"    {failure}")
        if baseline.get(name, {}).get("result") == "PASS" and row["result"] != "PASS":
            worse.append(name)
    print(line("(start alone)", start))
    if chosen.write:
        chosen.write.write_text(json.dumps(rows, indent=2) + "\n")
    if worse:
        print(f"passed in the baseline and do not now: {', '.join(worse)}")
    return 1 if worse or any(row["result"] in {"FAIL", "HANG"} for row in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
