"""Host code for a region: the interpreter's own verbs, given constant records, in the order of the guest's words.

Only control flow is made here; what an instruction does comes from `complete`, `branch` and `near`, inlined and
shrunk by LLVM, or from the gate. Every block counts its instructions and is entered only if the count suffices for all
of them, so a stretch ends at the same instruction as in the interpreter. The function's contract is in hw/host.py.
"""

from typing import Any

from llvmlite import binding as llvm
from llvmlite import ir
from llvmlite.binding.newpassmanagers import create_new_module_pass_manager

from irqvisor._link import hide_all_but
from irqvisor.hw import host
from irqvisor.hw.decode import NO_REGISTER
from irqvisor.hw.ops import MTMSRD
from irqvisor.hw.state import CONTEXT, PAGE_SHIFT, PAGE_WORDS
from irqvisor.spec.power_isa import MSR_SF
from irqvisor.tables import CODE
from irqvisor.translation import verbs
from irqvisor.translation.region import Region, has_gate, is_branch, is_near

NAME = "region"
POINTER, WORD, BOOL, STATUS = host.POINTER, host.WORD, ir.IntType(8), ir.IntType(32)
SIXTY_FOUR_BITS = WORD(MSR_SF)
NIP = CONTEXT.fields["nip"][1]  # type: ignore[index]  # bytes
WIN_SIZE = CONTEXT.fields["win_size"][1]  # type: ignore[index]
ZERO = CONTEXT.fields["gpr"][1] + 8 * NO_REGISTER  # type: ignore[index]
EXIT_SHIFTS = (0, 16, 32)
FIELD_MASK = (1 << 16) - 1
"""A way out at a known word, as one constant: instructions completed in the block, the word, and why."""
LIKELY = (1000, 1)


class _Writer:
    """Writes the function of one region."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.isa = WORD(region.isa)
        self.module = ir.Module(NAME)
        self.function = ir.Function(self.module, host.SIGNATURE, NAME)
        self.m, self.cpu, n, budget, nip, self.gate = self.function.args
        self.cpu.add_attribute("noalias")  # nobody reaches the context while it runs, but the gate, which is given it
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.verbs = {
            "complete": self._verb("complete", [POINTER, POINTER, WORD, POINTER, WORD, WORD, WORD, WORD]),
            "branch": self._verb("branch", [POINTER, WORD, POINTER, WORD, WORD]),
            "near": self._verb("near", [POINTER, WORD, POINTER, WORD, WORD, WORD]),
            "pass_gate": self._verb("pass_gate", [POINTER, POINTER, WORD, POINTER, WORD]),
        }
        self.raised = self.builder.alloca(POINTER)
        self.answers = {BOOL: self.builder.alloca(BOOL), WORD: self.builder.alloca(WORD)}
        self.budget = self.builder.alloca(WORD)
        self.builder.store(budget, self.budget)
        self.top = self.builder.sub(self._field(WIN_SIZE), WORD(8))
        self.page = self.builder.and_(nip, WORD(-1 << PAGE_SHIFT))
        self.entries = {leader: self.function.append_basic_block(f"word_{leader}") for leader in region.blocks}
        self.heads = {leader: ir.IRBuilder(block).phi(WORD, "n") for leader, block in self.entries.items()}
        self._make_exits()
        self._go_on_at(nip, n)
        for leader, words in region.blocks.items():
            self._block(leader, words)

    def _verb(self, name: str, given: list[Any]) -> ir.Function:
        return ir.Function(self.module, ir.FunctionType(STATUS, [POINTER, POINTER, *given]), name)

    def _call(self, name: str, result: ir.Type, *given: Any) -> Any:
        answer = self.answers[result]
        self.builder.call(self.verbs[name], [answer, self.raised, *given])
        return self.builder.load(answer, typ=result)

    def _make_exits(self) -> None:
        """The ways out: at a word that is known, and at an address that the guest has computed. What is known is kept
        in one constant, or LLVM would compute it before every instruction that may have to leave."""
        self.leave = self.function.append_basic_block("leave")
        leaving = ir.IRBuilder(self.leave)
        self.left_n, self.left_exit = leaving.phi(WORD), leaving.phi(WORD)
        count, word, why = (
            leaving.and_(leaving.lshr(self.left_exit, WORD(shift)), WORD(FIELD_MASK)) for shift in EXIT_SHIFTS
        )
        self._return(leaving, leaving.add(self.left_n, count), self._address_of(leaving, word), why)
        self.gone = self.function.append_basic_block("gone")
        leaving = ir.IRBuilder(self.gone)
        self.gone_n, self.gone_nip = leaving.phi(WORD), leaving.phi(WORD)
        self._return(leaving, self.gone_n, self.gone_nip, WORD(host.ELSEWHERE))
        self.answered = self.function.append_basic_block("answered")
        _ret(ir.IRBuilder(self.answered), WORD(0), WORD(host.ANSWERED))

    def _return(self, builder: Any, n: Any, nip: Any, why: Any) -> None:
        self._set_nip(builder, nip)
        _ret(builder, n, why)

    def _set_nip(self, builder: Any, nip: Any) -> None:
        builder.store(nip, builder.gep(self.cpu, [WORD(NIP)], source_etype=BOOL))

    def _field(self, at: int) -> Any:
        """A doubleword of the context."""
        return self.builder.load(self.builder.gep(self.cpu, [WORD(at)], source_etype=BOOL), typ=WORD)

    def _address_of(self, builder: Any, word: Any) -> Any:
        return builder.add(self.page, builder.shl(word, WORD(2)))

    def _leave(self, n: Any, count: int, word: int, why: int) -> None:
        """Go out at a word, `count` instructions after `n`."""
        self.left_n.add_incoming(n, self.builder.block)
        fields = zip((count, word, why), EXIT_SHIFTS, strict=True)
        self.left_exit.add_incoming(WORD(sum(field << shift for field, shift in fields)), self.builder.block)
        self.builder.branch(self.leave)

    def _go(self, n: Any, address: Any) -> None:
        """Go out at an address that the guest has computed."""
        self.gone_n.add_incoming(n, self.builder.block)
        self.gone_nip.add_incoming(address, self.builder.block)
        self.builder.branch(self.gone)

    def _address(self, word: int) -> Any:
        return self._address_of(self.builder, WORD(word))

    def _enter(self, word: int, n: Any, count: int) -> None:
        """Go on at a word of this page that is known, `count` instructions after `n`."""
        if word in self.entries:
            self.heads[word].add_incoming(self.builder.add(n, WORD(count)), self.builder.block)
            self.builder.branch(self.entries[word])
        else:
            self._leave(n, count, word, host.ELSEWHERE)

    def _go_on_at(self, address: Any, n: Any) -> None:
        """Go on at an address in this page that the guest has computed."""
        word = self.builder.and_(self.builder.lshr(address, WORD(2)), WORD(PAGE_WORDS - 1))
        elsewhere = self.builder.append_basic_block("elsewhere")
        choice = self.builder.switch(word, elsewhere)
        for leader, block in self.entries.items():
            choice.add_case(WORD(leader), block)
            self.heads[leader].add_incoming(n, self.builder.block)
        self.builder = ir.IRBuilder(elsewhere)
        self._go(n, address)

    def _block(self, leader: int, words: range) -> None:
        self.builder = ir.IRBuilder(self.entries[leader])
        n = self.heads[leader]
        fits, short = self.builder.append_basic_block("fits"), self.builder.append_basic_block("short")
        left = self.builder.sub(self.builder.load(self.budget, typ=WORD), n)
        enough = self.builder.icmp_signed(">=", left, WORD(len(words)))
        self.builder.cbranch(enough, fits, short).set_weights(LIKELY)
        self.builder = ir.IRBuilder(short)
        self._leave(n, 0, leader, host.SHORT)
        self.builder = ir.IRBuilder(fits)
        self.builder.assume(self.builder.icmp_signed("==", self._field(ZERO), WORD(0)))
        for count, word in enumerate(words):
            record = self.region.records[word]
            if is_branch(int(record["op"])):
                self._branch(word, n, count + 1)
                return
            if has_gate(record):
                self._gated(word, n, count)
                return
            self._instruction(word, n, count)
        self._enter(words.stop, n, len(words))

    def _operands(self, word: int) -> tuple[Any, Any, Any]:
        """A word's decoded record as a constant, its operation, its address."""
        record = self.region.records[word]
        text = bytearray(record.tobytes())
        constant = ir.Constant(ir.ArrayType(BOOL, CODE.itemsize), text)
        kept = ir.GlobalVariable(self.module, constant.type, f"record_{word}")
        kept.initializer, kept.global_constant, kept.linkage = constant, True, "private"
        return kept.bitcast(POINTER), WORD(int(record["op"])), self._address(word)

    def _complete(self, record: Any, op: Any, pc: Any) -> tuple[Any, Any]:
        """Let the interpreter's verb complete an instruction. Returns the blocks to go on in if it has, and if not."""
        done = self._call("complete", BOOL, self.m, self.cpu, self.isa, record, op, SIXTY_FOUR_BITS, self.top, pc)
        completed, slow = self.builder.append_basic_block("completed"), self.builder.append_basic_block("slow")
        self.builder.cbranch(self.builder.icmp_unsigned("!=", done, BOOL(0)), completed, slow).set_weights(LIKELY)
        return completed, slow

    def _instruction(self, word: int, n: Any, count: int) -> None:
        completed, slow = self._complete(*self._operands(word))
        self.builder = ir.IRBuilder(slow)
        self._leave(n, count, word, host.STUCK)
        self.builder = ir.IRBuilder(completed)

    def _gated(self, word: int, n: Any, count: int) -> None:
        """An instruction that ends its block, since the gate may have to complete it."""
        record, op, pc = self._operands(word)
        if self.region.records[word]["op"] == MTMSRD:  # it is plain if it turns interrupts off
            completed, slow = self._complete(record, op, pc)
            self.builder = ir.IRBuilder(completed)
            self._enter(word + 1, n, count + 1)
            self.builder = ir.IRBuilder(slow)
        self._pass_gate(word, record, pc, n, count)

    def _pass_gate(self, word: int, record: Any, pc: Any, n: Any, count: int) -> None:
        """Let the gate complete an instruction."""
        names = ("stuck", "passed", "resumed", "elsewhere", "follows")
        stuck, passed, resumed, elsewhere, follows = (self.builder.append_basic_block(name) for name in names)
        self._set_nip(self.builder, pc)
        so_far = self.builder.add(n, WORD(count))
        budget = self._call("pass_gate", WORD, self.m, self.cpu, so_far, record, self.gate)
        self.builder.cbranch(self.builder.icmp_signed("<", budget, WORD(0)), stuck, passed)
        self.builder = ir.IRBuilder(stuck)
        self._leave(n, count, word, host.STUCK)
        self.builder = ir.IRBuilder(passed)
        self.builder.cbranch(self.builder.icmp_signed("==", budget, WORD(0)), self.answered, resumed)
        self.builder = ir.IRBuilder(resumed)
        self.builder.store(budget, self.budget)
        nip = self._field(NIP)
        self.builder.cbranch(self.builder.icmp_signed("==", nip, self._address(word + 1)), follows, elsewhere)
        self.builder = ir.IRBuilder(elsewhere)
        self._go(WORD(0), nip)
        self.builder = ir.IRBuilder(follows)
        self._enter(word + 1, WORD(0), 0)

    def _branch(self, word: int, n: Any, count: int) -> None:
        record, op, pc = self._operands(word)
        if is_near(int(self.region.records[word]["op"])):
            target = self._call("near", WORD, self.cpu, op, record, WORD(word), pc, SIXTY_FOUR_BITS)
            taken, not_taken = self.builder.append_basic_block("taken"), self.builder.append_basic_block("not_taken")
            self.builder.cbranch(self.builder.icmp_signed("==", target, WORD(word + 1)), not_taken, taken)
            self.builder = ir.IRBuilder(not_taken)
            self._enter(word + 1, n, count)
            self.builder = ir.IRBuilder(taken)
            self._enter(word + int(self.region.records[word]["imm"]), n, count)
            return
        target = self._call("branch", WORD, self.cpu, op, record, pc, SIXTY_FOUR_BITS)
        stays, gone = self.builder.append_basic_block("stays"), self.builder.append_basic_block("gone")
        away = self.builder.lshr(self.builder.xor(target, pc), WORD(PAGE_SHIFT))
        self.builder.cbranch(self.builder.icmp_signed("==", away, WORD(0)), stays, gone)
        self.builder = ir.IRBuilder(gone)
        self._go(self.builder.add(n, WORD(count)), target)
        self.builder = ir.IRBuilder(stays)
        self._go_on_at(target, self.builder.add(n, WORD(count)))


def _ret(builder: Any, n: Any, why: Any) -> None:
    result = builder.insert_value(ir.Constant(host.RESULT, ir.Undefined), n, 0)
    builder.ret(builder.insert_value(result, why, 1))


def target_machine() -> Any:
    """LLVM's description of this computer."""
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2, jit=True
    )


def object_code(region: Region) -> bytes:
    """Machine code for a region, as an object file with the function NAME."""
    module = llvm.parse_assembly(str(_Writer(region).module))
    module.link_in(llvm.parse_bitcode(verbs.bitcode()))
    hide_all_but(module, {NAME})
    target = target_machine()
    module.triple, module.data_layout = target.triple, str(target.target_data)
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=2))
    inlining = create_new_module_pass_manager()
    inlining.add_always_inliner_pass()
    inlining.add_global_dead_code_eliminate_pass()
    inlining.run(module, builder)
    builder.getModulePassManager().run(module, builder)
    code: bytes = target.emit_object(module)
    return code
