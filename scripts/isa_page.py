"""Write docs/reference/isa.md: every instruction, register and choice of the processor, from the tables it runs by.

python scripts/isa_page.py           # write the page
python scripts/isa_page.py --check   # exit 1 if the committed page is another
"""

import sys
from pathlib import Path

from irqvisor.hw import ops, spr
from irqvisor.hw.decode import INSTRUCTIONS, Row
from irqvisor.hw.state import ISA_300, LEVELS
from irqvisor.hw.undefined import CHOICES

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "isa.md"
NAME_OF = {level: name for name, level in LEVELS.items()}

UNICORN = "`tests/hw/test_alu.py::test_random_instructions_agree_with_unicorn`"
MEMORY = "`tests/hw/test_memory_order.py::test_loads_and_stores_agree_with_unicorn`"
EDGES = "`tests/hw/test_storage.py`, `tests/hw/test_little_endian.py`"
GROUPS = (
    # ids below, section, what executes them, what tests them
    (ops.ALU_END, "Fixed point", "loop, `hw/alu.py`", UNICORN),
    (ops.MEM_END, "Loads and stores", "loop, `hw/interpret.py`", MEMORY),
    (ops.BRANCH_END, "Branches", "loop, `hw/branch.py`", UNICORN),
    (ops.CONDITION_END, "Condition register", "loop, `hw/condition.py`", UNICORN),
    (ops.CARRY_END, "Fixed point", "loop, `hw/carry.py`", UNICORN),
    (ops.UPDATE_END, "Loads and stores", "loop, `hw/interpret.py`", MEMORY),
)
"""The groups of the run loop, in the order of their ids."""
APART = {
    "bctar": "`tests/hw/test_alu.py::test_bctar_goes_to_tar`",
    "mcrxr": "`tests/hw/test_alu.py::test_mcrxr_moves_and_clears_and_mcrxrx_only_copies`",
}
"""What Unicorn cannot judge."""

ANYBODY, PRIVILEGED, HYPERVISOR = "", "privileged", "hypervisor"
SYSTEM_TESTS = "tests/hw/test_system.py"
WHO = f"`{SYSTEM_TESTS}::test_privileged_instructions_are_refused_in_problem_state`"
WHOSE = f"`{SYSTEM_TESTS}::test_the_hypervisors_instructions_are_refused_without_hv`"
HINTS = f"`{SYSTEM_TESTS}::test_barriers_and_hints_do_nothing_for_anybody`"
STRINGS = "`hw/multiple.py::strings`"
RESERVE = "`hw/reservation.py::load_reserve`"
STORE = "`hw/reservation.py::store_conditional`"
RESERVED = "`tests/hw/test_reservation.py`"
INHIBITED = f"`{SYSTEM_TESTS}::test_cache_inhibited_accesses_load_and_store`"
UNITS = f"`{SYSTEM_TESTS}::test_a_unit_that_is_off_is_unavailable_and_one_that_is_on_is_not_there`"
TRANSACTIONS = f"`{SYSTEM_TESTS}::test_transactions_are_unavailable_or_not_there`"
DOORBELLS = "`tests/hw/test_exceptions.py::test_a_hypervisor_doorbell_interrupts_its_own_processor_once`"
PRIVILEGED_DOORBELLS = "`tests/hw/test_exceptions.py::test_a_privileged_doorbell_needs_ee_and_shows_in_dpdes`"
NAPS = "`tests/hw/test_exceptions.py::test_what_ends_a_nap_is_a_system_reset_that_tells_the_reason`"
MSR_MOVES = f"`{SYSTEM_TESTS}::test_mtmsrd_writes_every_other_bit_that_the_processor_has`"
SLOW = {
    # operations: (section, who may, what executes them, what tests them)
    (ops.LMW, ops.STMW): ("Loads and stores", ANYBODY, "`hw/multiple.py::multiple`", EDGES),
    (ops.LSWI, ops.LSWX, ops.STSWI, ops.STSWX): ("Loads and stores", ANYBODY, STRINGS, EDGES),
    (ops.LQ, ops.STQ): ("Loads and stores", ANYBODY, "`hw/reservation.py::quadword`", RESERVED),
    (ops.LBARX, ops.LHARX, ops.LWARX, ops.LDARX, ops.LQARX): ("Loads and stores", ANYBODY, RESERVE, RESERVED),
    (ops.STBCX, ops.STHCX, ops.STWCX, ops.STDCX, ops.STQCX): ("Loads and stores", ANYBODY, STORE, RESERVED),
    tuple(range(ops.LBZCIX, ops.STDCIX + 1)): (
        "Loads and stores",
        HYPERVISOR,
        "`hw/storage.py::data_access`",
        INHIBITED,
    ),
    (ops.DARN,): (
        "Fixed point",
        ANYBODY,
        "`hw/system.py::random_number`",
        f"`{SYSTEM_TESTS}::test_darn_delivers_words_and_doublewords_that_differ_and_can_be_repeated`",
    ),
    (ops.ADDG6S, ops.CBCDTD, ops.CDTBCD): (
        "Fixed point",
        ANYBODY,
        "`hw/decimal.py::assist`",
        "`tests/hw/test_decimal.py`",
    ),
    (ops.TW, ops.TD): (
        "System",
        ANYBODY,
        "`hw/system.py::trap`",
        f"`{SYSTEM_TESTS}::test_a_trap_is_taken_if_one_of_its_conditions_holds`",
    ),
    (ops.SC,): (
        "System",
        ANYBODY,
        "`hw/system.py::system_call`",
        f"`{SYSTEM_TESTS}::test_sc_enters_the_partitions_own_handler`",
    ),
    (ops.SCV,): (
        "System",
        ANYBODY,
        "`hw/system.py::system_call_vectored`",
        f"`{SYSTEM_TESTS}::test_scv_saves_to_lr_and_ctr_and_leaves_ee_and_ri_alone`",
    ),
    (ops.RFSCV,): (
        "System",
        PRIVILEGED,
        "`hw/system.py::return_from_interrupt`",
        f"`{SYSTEM_TESTS}::test_rfscv_returns_by_lr_and_ctr_and_is_privileged`",
    ),
    (ops.RFID,): (
        "System",
        PRIVILEGED,
        "`hw/system.py::return_from_interrupt`",
        "`tests/hw/test_exceptions.py::test_rfid_loads_every_bit_the_processor_has_except_status_hv_and_me`",
    ),
    (ops.HRFID,): (
        "System",
        HYPERVISOR,
        "`hw/system.py::return_from_interrupt`",
        "`tests/hw/test_exceptions.py::test_hrfid_copies_hv_and_me`",
    ),
    (ops.RFEBB,): (
        "System",
        ANYBODY,
        "`hw/system.py::return_from_event`",
        f"`{SYSTEM_TESTS}::test_rfebb_goes_to_ebbrr_and_sets_ge_as_it_says`",
    ),
    (ops.MTMSR, ops.MTMSRD, ops.MFMSR): ("System", PRIVILEGED, "`hw/system.py::move_to_msr`", MSR_MOVES),
    (ops.MFSPR, ops.MTSPR): (
        "System",
        ANYBODY,
        "loop or `hw/spr.py`",
        f"`{SYSTEM_TESTS}::test_registers_are_guarded_by_their_class`",
    ),
    (ops.MFTB,): ("System", ANYBODY, "`hw/spr.py::read_time`", "`tests/hw/test_timer.py`"),
    (ops.NAP, ops.DOZE, ops.SLEEP, ops.RVWINKLE): ("System", HYPERVISOR, "`hw/system.py::hypervisor_only`", NAPS),
    (ops.STOP_WAIT,): (
        "System",
        HYPERVISOR,
        "`hw/system.py::hypervisor_only`",
        "`tests/hw/test_exceptions.py::test_a_stop_that_loses_nothing_goes_on_behind_itself`",
    ),
    (ops.WAIT,): (
        "System",
        ANYBODY,
        "`hw/system.py::system`",
        f"`{SYSTEM_TESTS}::test_stop_is_the_hypervisors_and_wait_is_everybodys`",
    ),
    (ops.ATTN,): (
        "System",
        ANYBODY,
        "`hw/system.py::attention`",
        f"`{SYSTEM_TESTS}::test_attn_stops_the_processor_where_hid0_says_so`",
    ),
    (ops.MSGSND, ops.MSGCLR, ops.MSGSYNC): ("System", HYPERVISOR, "`hw/doorbell.py::message`", DOORBELLS),
    (ops.MSGSNDP, ops.MSGCLRP): ("System", PRIVILEGED, "`hw/system.py::privileged_message`", PRIVILEGED_DOORBELLS),
    (ops.CLRBHRB, ops.MFBHRBE): (
        "System",
        ANYBODY,
        "nothing; mfbhrbe gives 0",
        f"`{SYSTEM_TESTS}::test_the_branch_history_is_empty`",
    ),
    (ops.NOP, ops.ICBI): ("Storage control", ANYBODY, "nothing", HINTS),
    (ops.DCBZ,): (
        "Storage control",
        ANYBODY,
        "`hw/multiple.py::clear_block`",
        "`tests/hw/test_storage.py::test_dcbz_clears_the_block_that_holds_the_address`",
    ),
    (ops.TLB_SUPERVISOR,): ("Storage control", PRIVILEGED, "nothing: there is no translation", WHO),
    (ops.TLB_HYPERVISOR,): ("Storage control", HYPERVISOR, "nothing: there is no translation", WHOSE),
    (ops.SEGMENT_READ,): (
        "Storage control",
        PRIVILEGED,
        "gives 0: no segment is valid",
        f"`{SYSTEM_TESTS}::test_segments_read_as_not_there`",
    ),
    (ops.TM_PROBLEM,): ("Units that are not there", ANYBODY, "facility unavailable, or illegal", TRANSACTIONS),
    (ops.TM_PRIVILEGED,): ("Units that are not there", PRIVILEGED, "facility unavailable, or illegal", TRANSACTIONS),
    (ops.FP_UNAVAILABLE,): ("Units that are not there", ANYBODY, "0x800 if MSR[FP]=0, else illegal", UNITS),
    (ops.VEC_UNAVAILABLE,): ("Units that are not there", ANYBODY, "0xF20 if MSR[VEC]=0, else illegal", UNITS),
    (ops.VSX_UNAVAILABLE,): ("Units that are not there", ANYBODY, "0xF40 if MSR[VSX]=0, else illegal", UNITS),
}
SECTIONS = (
    "Fixed point",
    "Condition register",
    "Branches",
    "Loads and stores",
    "Storage control",
    "System",
    "Units that are not there",
)

FORMS_OF_PRIMARY = {0: "X", 4: "VX", 17: "SC", 19: "XL", 31: "X", 56: "DQ", 57: "DS", 58: "DS", 60: "XX3", 61: "DQ"}
"""The form of instructions whose operands the decoder ignores, and of those whose name here is not the book's."""

INTERRUPTS = (
    # vector, name, when it is taken here
    ("0x100", "system reset", "the end of nap, doze, sleep, rvwinkle, or a stop that loses state"),
    ("0x200", "machine check", "`pcpu.machine_checks`: hypervisor software leaves memory"),
    ("0x300", "data storage", "nothing answers; a store to ROM; MSR[DR]=1; a reservation or quadword in a device"),
    ("0x400", "instruction storage", "an address outside the memory from 0 on; MSR[IR]=1"),
    ("0x500", "external", "the controller's line, or LPCR[MER]; LPES0 says who takes it"),
    ("0x600", "alignment", "unaligned reservations and quadwords; dcbz to a device; multiples and strings with LE=1"),
    ("0x700", "program", "illegal (2.01, and guests of a simulated hypervisor), privileged, trap"),
    ("0x800", "floating-point unavailable", "MSR[FP]=0"),
    ("0x900", "decrementer", "DEC is negative, EE=1"),
    ("0x980", "hypervisor decrementer", "HDEC is negative, HDICE=1, and EE=1 or not in hypervisor state"),
    ("0xA00", "privileged doorbell", "msgsndp, DPDES; EE=1. Since 2.07"),
    ("0xC00", "system call", "sc"),
    ("0xD00", "trace", "MSR[SE], or MSR[BE] after a branch"),
    ("0xE40", "hypervisor emulation assistance", "illegal since 2.07, where software owns HV=1; HEIR has it"),
    ("0xE80", "hypervisor doorbell", "msgsnd; EE=1 or not in hypervisor state. Since 2.07"),
    ("0xF20", "vector unavailable", "MSR[VEC]=0"),
    ("0xF40", "VSX unavailable", "MSR[VSX]=0. Since 2.07"),
    ("0xF60", "facility unavailable", "transactions, scv; FSCR: DSCR, TAR, EBB in problem state. Since 2.07"),
    ("0xF80", "hypervisor facility unavailable", "msgsndp with HV=0 and HFSCR[MSGP]=0. Since 2.07"),
    ("0x17000", "system call vectored", "scv with FSCR[SCV]=1; 32 bytes for each LEV. Since 3.0"),
)  # fmt: skip

WHO_MAY = {
    spr.USER: "everybody",
    spr.SUPER: "privileged",
    spr.HYPER: "hypervisor",
    spr.READ_USER: "everybody reads, hypervisor writes",
    spr.READ_SUPER: "privileged reads, hypervisor writes",
    spr.SHOWN: "everybody reads, privileged writes",
}

HEAD = """# Instructions, registers, interrupts

<!-- Made by scripts/isa_page.py. Do not edit: change the tables or the script, and run it. -->

The processor executes the complete integer architecture of a 64-bit server processor, at one of three levels:
**2.01** (PowerPC AS, the 970), **2.07** (POWER8), **3.0** (POWER9). A processor model has its own level; `isa=`
chooses another (`lab/build.py::config`). The level decides what is an instruction, a register and an MSR bit; the
model decides how interrupts are routed. The tables of instructions, registers and
choices are made from those that the processor itself runs by.

## Byte order

MSR[LE] counts for instructions and data; a 970 has no such bit. Interrupts take it from LPCR[ILE], and from
HID0[HILE] if they enter hypervisor state; rfid and hrfid load it, mtmsr and mtmsrd leave it alone. The same words may
be executed in both orders: a decoded page remembers its order (`hw/state.py::LITTLE`) and is decoded again when it is
entered in the other. In little-endian mode a plain load or store is decoded as its byte-reversed twin, and the other
way round; reservations, quadwords and caching-inhibited accesses look at the mode.

Bytes have addresses, registers of devices too: the OpenPIC, the doorbells, the board and the rings in memory are
big-endian at their addresses in either mode. A little-endian guest reads and writes them with byte-reversed loads and
stores (`lwbrx`, `stdbrx`).

## Undefined results

What the books leave undefined is decided in one place, `hw/undefined.py::CHOICES`, in the manner of POWER9-class
hardware at every level:
"""

TIME = """## Time

The time base is the cycle times the profile's ratio, plus what hypervisor software has set it forward by. DEC has 32
bits, with LPCR[LD] 56; HDEC has 32, at level 3.0 56, and stands still until it is first written. Both are levels: the
exception exists while the number is negative. PURR, SPURR and VTB count with the time base.
"""

TAIL = """## What is not there

* **Translation.** With MSR[IR] or MSR[DR] on, every fetch or access raises its storage interrupt (no translation),
  and the machine says so: `m.cpu[0].untranslated` counts them. LPCR[AIL] stores only: it moves the vectors of
  interrupts taken while translation is on, and here it never is.
* Floating point, vector, VSX, transactional memory: see above.
* The atomic memory operations of 3.0 (`lwat`, `ldat`, `stwat`, `stdat`) are illegal. Compilers emit none: C's atomics
  become `lwarx` and `stwcx.`, and only a builtin of GCC that asks for one by name makes one. `copy` and `paste.` are
  illegal: they talk to accelerators, of which there is none.
* LPCR[PECE] stores only: external interrupts, the decrementer and doorbells all end a nap, allowed or not; HDEC does
  not. A guest that naps allows what it waits for, so only one that wants to sleep through an interrupt would notice.
* HFSCR gates msgsndp and nothing else. Performance monitor and debug registers store only.
* One thread a core: msgsndp reaches its sender.
"""


def level(since: int, until: int) -> str:
    """The levels that have something."""
    name = NAME_OF[since]
    if until == ISA_300:
        return name
    return f"{name} only" if since == until else f"{name} to {NAME_OF[until]}"


def form(row: Row) -> str:
    """The book's name of the form."""
    name = row.form.split()[0].removesuffix("<<16")
    if name in {"none", "SX", "SX28"}:
        name = FORMS_OF_PRIMARY.get(row.primary, "D")
    return name


def placed(row: Row) -> tuple[str, str, str, str]:
    """Section, who may execute it, what executes it, what tests it."""
    op = row.op & ~ops.RC
    for end, section, how, test in GROUPS:
        if op < end:
            return section, ANYBODY, how, APART.get(row.mnemonic, test)
    return next(place for family, place in SLOW.items() if op in family)


def opcode(row: Row) -> str:
    """Primary and extended opcode; ranges of the extended one that belong to operands are left out."""
    return f"{row.primary}" if row.extended == 0 and row.form[0] in "DIBM" else f"{row.primary}/{row.extended}"


def instructions() -> str:
    """The tables of instructions."""
    lines = []
    for section in SECTIONS:
        lines += [f"### {section}", "", "| instruction | opcode | form | since | who | executed by | tested by |"]
        lines.append("|---|---|---|---|---|---|---|")
        lines += [
            f"| {row.mnemonic} | {opcode(row)} | {form(row)} | {level(row.since, row.until)} | {who} | {how} | {test} |"
            for row in INSTRUCTIONS
            for place, who, how, test in [placed(row)]
            if place == section
        ]
        lines.append("")
    return "\n".join(lines)


def choices() -> str:
    """The table of choices."""
    return "\n".join(["| undefined | here |", "|---|---|", *(f"| {what} | {how} |" for what, how in CHOICES), ""])


def registers() -> str:
    """The table of registers."""
    lines = ["| numbers | who | levels |", "|---|---|---|"]
    lines += [
        f"| {', '.join(str(n) for n in sorted(numbers))} | {WHO_MAY[kind]} | {level(since, until)} |"
        for numbers, kind, since, until in spr.REGISTERS
    ]
    return "\n".join([*lines, ""])


def interrupts() -> str:
    """The table of interrupts."""
    return "\n".join(
        ["| vector | interrupt | taken when |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in INTERRUPTS), ""]
    )


SPRS = """## Special purpose registers

808 to 811 are no-ops for everybody. Any other number is undefined: privileged software reads and writes it without
effect (0, and 4 to 6 to read, are illegal); problem state gets a program interrupt, privileged if the number has bit
0x10, else illegal. A number that another level has is undefined.
"""


def page() -> str:
    """The whole page."""
    count = f"{len({row.mnemonic for row in INSTRUCTIONS})} mnemonics; *loop* is the run loop, the others are calls.\n"
    parts = [HEAD, choices(), "## Instructions\n", count, instructions(), "## Interrupts\n", interrupts(), TIME]
    return "\n".join([*parts, SPRS, registers(), TAIL])


def main() -> int:
    """Write or check."""
    text = page()
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text(encoding="utf-8") == text else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
