"""Who runs a benchmark guest: irqvisor, and the emulators that happen to be installed.

Everybody is given the same memory and takes the time between the same two lines of the guest, so nobody's start counts:
neither a boot, nor the first translation or decoding. CPU time is taken beside wall time, of whatever executes the
guest: this thread, or the other process as a whole.

*Counting* is what makes an emulator know how many instructions it has executed: irqvisor always does, exactly, and
stops at any of them. QEMU does with ``-icount``, Unicorn when `emu_start` is given a count.
"""

import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from irqvisor.errors import RunnerError, UsageError, WrongResult, did_you_mean
from irqvisor.lab.bench.guests import BEGIN, END, FAILED, RAM_BYTES, SELF_INTERRUPT, Guest, Program
from irqvisor.lab.scenario import Scenario
from irqvisor.machine import Machine
from irqvisor.spec import papr
from irqvisor.spec.power_isa import MSR_SF

LIMIT_S = 300
"""What runs longer than this has lost its way."""


class Sample(NamedTuple):
    """The time between the two lines; ``cpu_s`` is None where nobody tells. ``instructions``, from who counts them."""

    wall_s: float
    cpu_s: float | None
    instructions: int | None = None


class Runner(Protocol):
    """Somebody who runs guests.

    Attributes:
        name: what the user calls it.
        about: what exactly is run, for people.
    """

    name: str
    about: str

    def version(self) -> str:
        """What is installed; empty if nothing is."""
        ...

    def missing(self) -> str:
        """Why it cannot run here, and what would help; empty if it can."""
        ...

    def refuses(self, guest: Guest) -> str:
        """Why it cannot run a guest; empty if it can."""
        ...

    def run(self, program: Program) -> Sample:
        """Run a program once.

        Raises:
            WrongResult: the guest found one.
            RunnerError: it did not get to the end.
        """
        ...


class Marks:
    """The moments at which a guest printed its lines."""

    def __init__(self, cpu_clock: Callable[[], float | None], instructions: Callable[[], int | None] = lambda: None):
        self._cpu_clock = cpu_clock
        self._instructions = instructions
        self.at: dict[str, Sample] = {}

    def line(self, text: bytes) -> str:
        """A line came, just now. Returns it."""
        now = Sample(time.perf_counter(), self._cpu_clock(), self._instructions())
        name = text.decode("ascii", "replace").strip()
        self.at.setdefault(name, now)
        return name

    def sample(self, who: str, otherwise: str) -> Sample:
        """The time between the lines.

        Args:
            who: who ran the guest, for messages.
            otherwise: what is known about it if a line is missing.

        Raises:
            WrongResult: the guest said so.
            RunnerError: one of the lines never came.
        """
        if FAILED in self.at:
            raise WrongResult(who, "the guest found a wrong result")
        if BEGIN not in self.at or END not in self.at:
            lines = ", ".join(self.at) or "nothing"
            raise RunnerError(who, f"{otherwise}; the guest said {lines}", f"{BEGIN}, {END}")
        begin, end = self.at[BEGIN], self.at[END]
        cpu_s = None if begin.cpu_s is None or end.cpu_s is None else end.cpu_s - begin.cpu_s
        counted = None
        if begin.instructions is not None and end.instructions is not None:
            counted = end.instructions - begin.instructions
        return Sample(end.wall_s - begin.wall_s, cpu_s, counted)


# ------------------------------------------------------------------------------------------------------------ irqvisor
class Irqvisor:
    """This program: the paravirt board under rhype, on a POWER8, as the peers' processor is."""

    name = "irqvisor"
    about = "design rhype, POWER8, every instruction counted"

    def version(self) -> str:
        """Its own."""
        try:
            return version("irqvisor")
        except PackageNotFoundError:
            return "not installed"

    def missing(self) -> str:
        """Never."""
        return ""

    def refuses(self, _: Guest) -> str:
        """None."""
        return ""

    def run(self, program: Program) -> Sample:
        """In this thread."""
        machine = machine_of(program)
        marks = Marks(time.thread_time, lambda: machine.cpu[0].instructions)
        machine.consoles[0] = _Console(marks)
        machine.run()
        return marks.sample(self.name, f"the machine stopped ({machine.stop_reason.name})")


class _Console(bytearray):
    """A console that notes when something is printed; benchmarks print whole lines."""

    def __init__(self, marks: Marks) -> None:
        super().__init__()
        self._marks = marks

    def extend(self, text: Any) -> None:
        self._marks.line(bytes(text))
        super().extend(text)


def machine_of(program: Program) -> Machine:
    """A machine about to execute a program's first instruction."""
    guest = program.guest
    domain = {"name": guest.name, "image": str(guest.path), "ram_kib": RAM_BYTES // 1024}
    scenario = Scenario.model_validate({"name": guest.name, "cpu": "power8", "duration_ms": 1000, "domains": [domain]})
    machine = Machine.from_scenario(scenario, design="rhype")
    machine.memory[: len(program.memory)] = program.memory
    return machine


# ---------------------------------------------------------------------------------------------------------------- QEMU
QEMU = "qemu-system-ppc64"
QEMU_MACHINE = "pseries,ic-mode=xics,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off"
"""The mitigations that a machine announces by default are beyond TCG, which would say so each time."""
QEMU_OPTIONS = ("-M", QEMU_MACHINE, "-cpu", "power8", "-m", "256", "-accel", "tcg")
QEMU_QUIET = ("-nodefaults", "-no-reboot", "-display", "none", "-monitor", "none", "-serial", "stdio")
QEMU_COUNTING = ("-icount", "shift=0,sleep=off")


class Qemu:
    """QEMU's pseries machine under TCG.

    The image is its firmware (``-bios``): loaded at 0 and started at 0x100 with the device tree in r3, in 50 ms.
    """

    def __init__(self, *, counting: bool = False, program: str = QEMU) -> None:
        self.name = "qemu-counting" if counting else "qemu"
        self.about = " ".join([QEMU, "-M pseries", "-cpu power8", "-accel tcg", *(QEMU_COUNTING if counting else ())])
        self._options = QEMU_COUNTING if counting else ()
        self._program = program

    def version(self) -> str:
        """What ``--version`` says."""
        path = shutil.which(self._program)
        if path is None:
            return ""
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)  # noqa: S603  found by the user's own PATH
        found = re.search(r"version (\S+)", done.stdout)
        return found[1] if found else "of an unknown version"

    def missing(self) -> str:
        """Whether it is in the PATH."""
        return "" if shutil.which(self._program) else f"{self._program} is not installed"

    def refuses(self, _: Guest) -> str:
        """None."""
        return ""

    def run(self, program: Program) -> Sample:
        """In a process of its own."""
        with tempfile.TemporaryDirectory(prefix="irqvisor-bench-") as folder:
            firmware = Path(folder) / f"{program.guest.name}.bin"
            firmware.write_bytes(program.memory)
            command = [self._program, *QEMU_OPTIONS, *QEMU_QUIET, *self._options, "-bios", str(firmware)]
            return watch(self.name, command)


def watch(who: str, command: Iterable[str], limit_s: float = LIMIT_S) -> Sample:
    """Run a command whose standard output is a guest's console.

    Raises:
        WrongResult: the guest found one.
        RunnerError: it cannot be run, or ended without the guest's last line.
    """
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(list(command), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)  # noqa: S603
    except OSError as error:
        raise RunnerError(who, f"cannot be started ({error.strerror})") from None
    timer = threading.Timer(limit_s, process.kill)
    with process:
        timer.start()
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            marks = Marks(cpu_clock_of(process.pid))
            for line in process.stdout:
                if marks.line(line) in (END, FAILED):
                    break
            else:
                complaint = process.stderr.read().decode("utf-8", "replace").strip().splitlines()
                process.wait()
                how = f"ended with status {process.returncode}"
                if timer.finished.is_set():
                    how = f"was ended after {limit_s:g} s"
                return marks.sample(who, how + (f" ({complaint[-1]})" if complaint else ""))
            return marks.sample(who, "")
        finally:
            timer.cancel()
            process.kill()


def cpu_clock_of(pid: int) -> Callable[[], float | None]:
    """The CPU time of another process, all threads; the numbers of such clocks are Linux's (MAKE_PROCESS_CPUCLOCK)."""

    def read() -> float | None:
        try:
            return time.clock_gettime(~pid << 3 | 2)
        except (AttributeError, OSError):
            return None

    return read


# ------------------------------------------------------------------------------------------------------------- Unicorn
SYSTEM_CALL = 8
"""Number that Unicorn gives its hook for `sc` (QEMU's POWERPC_EXCP_SYSCALL)."""
MORE_THAN_ENOUGH = 1 << 40


class Unicorn:
    """Unicorn, QEMU's translator as a library. There is no machine: hypercalls are ours, interrupts nobody's."""

    def __init__(self, *, counting: bool = False) -> None:
        self.name = "unicorn-counting" if counting else "unicorn"
        self.about = f"its Python package, emu_start({'count=N' if counting else ''})"
        self._count = MORE_THAN_ENOUGH if counting else 0

    def version(self) -> str:
        """That of the Python package."""
        try:
            return version("unicorn")
        except PackageNotFoundError:
            return ""

    def missing(self) -> str:
        """Whether the package can be imported."""
        return "" if find_spec("unicorn") else "the Python package unicorn is not installed"

    def refuses(self, guest: Guest) -> str:
        """Everything with an interrupt in it."""
        return "takes no interrupts on PowerPC" if guest is SELF_INTERRUPT else ""

    def run(self, program: Program) -> Sample:
        """In this thread."""
        unicorn, ppc = (import_module(name) for name in ("unicorn", "unicorn.ppc_const"))
        uc = unicorn.Uc(unicorn.UC_ARCH_PPC, unicorn.UC_MODE_PPC64 | unicorn.UC_MODE_BIG_ENDIAN)
        uc.ctl_set_tlb_mode(unicorn.UC_TLB_VIRTUAL)  # it cannot be put into a state in which real mode works
        uc.mem_map(0, RAM_BYTES)
        uc.mem_write(0, program.memory)
        uc.reg_write(ppc.UC_PPC_REG_MSR, MSR_SF & (1 << 64) - 1)
        marks = Marks(time.thread_time)
        trouble = "stopped"

        def on_interrupt(uc: Any, number: int, _: object) -> None:
            nonlocal trouble
            call = uc.reg_read(ppc.UC_PPC_REG_3)
            if number != SYSTEM_CALL or call != papr.H_PUT_TERM_CHAR:
                trouble = f"exception {number}, r3 {call:#x}, at {uc.reg_read(ppc.UC_PPC_REG_PC):#x}"
                uc.emu_stop()
                return
            words = (uc.reg_read(register) for register in (ppc.UC_PPC_REG_6, ppc.UC_PPC_REG_7))
            text = b"".join(word.to_bytes(8, "big") for word in words)[: uc.reg_read(ppc.UC_PPC_REG_5)]
            uc.reg_write(ppc.UC_PPC_REG_3, papr.H_SUCCESS)
            if marks.line(text) in (END, FAILED):
                uc.emu_stop()

        uc.hook_add(unicorn.UC_HOOK_INTR, on_interrupt)
        try:
            uc.emu_start(program.entry, RAM_BYTES, timeout=0, count=self._count)
        except unicorn.UcError as error:
            raise RunnerError(self.name, str(error)) from None
        return marks.sample(self.name, trouble)


# ------------------------------------------------------------------------------------------------------------ everybody
def everybody() -> tuple[Runner, ...]:
    """All runners, irqvisor first."""
    return (Irqvisor(), Qemu(), Qemu(counting=True), Unicorn(), Unicorn(counting=True))


def choose(names: Iterable[str] | None) -> tuple[Runner, ...]:
    """The runners with these names, in the usual order, and irqvisor always; None: all.

    Raises:
        UsageError: there is no such runner.
    """
    known = {runner.name: runner for runner in everybody()}
    wanted = set(known) if names is None else {Irqvisor.name, *names}
    for name in sorted(wanted - set(known)):
        raise UsageError("--peer", f'unknown peer "{name}"', hint=did_you_mean(name, known))
    return tuple(runner for name, runner in known.items() if name in wanted)
