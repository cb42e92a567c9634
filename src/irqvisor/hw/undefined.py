"""What the books leave undefined, and what this processor does: the choices of POWER9-class hardware, at every level.

The only place that chooses. Everything here is a function or a constant that the instruction groups use; `CHOICES` is
the same in words, for docs/reference/isa.md.
"""

from irqvisor._jit import hot, jit
from irqvisor.spec.bits import clz, low32, sll

CHOICES = (
    # what is undefined, what happens here
    ("reserved fields of an instruction", "ignored"),
    ("invalid forms", "illegal, except lmw with RA in the loaded range, and those of mtocrf and mfocrf below"),
    ("high word of `mulhw`, `mulhwu`", "a copy of the low word"),
    ("high word of a 32-bit quotient: `divw`, `divwu`, `divwe`, `divweu`", "zero"),
    ("high word of `modsw`, `moduw`", "the remainder, sign-extended by `modsw` and zero-extended by `moduw`"),
    ("a quotient that does not exist: division by zero, or one that does not fit", "zero"),
    ("a remainder of a division by zero", "zero"),
    ("CR0 of a record form whose high word is undefined", "set from all 64 bits of the result above"),
    ("OV32 of `divdeo`, `divdeuo`, `divweo`, `divweuo`", "equal to OV: cleared without overflow"),
    ("`mtocrf`, `mfocrf` with several bits of FXM set", "the leftmost field"),
    ("`mtocrf`, `mfocrf` with no bit of FXM set", "field 7"),
    ("the other fields of `mfocrf`", "zero"),
    ("reserved bits of XER", "`mtxer` keeps SO, OV, CA and the low 18 bits; OV32 and CA32 at level 3.0 only"),
    ("`lswx` of no bytes", "the target register is left alone"),
    ("RA of an update form in 32-bit mode", "the address, its high word zero"),
    ("RA in the range that `lmw` loads", "loaded like the others"),
    ("a conditional store of another size or address than the reservation", "does not store, ends the reservation"),
    ("a reservation across an interrupt or a return from one", "lost"),
    (
        "DSISR of an alignment interrupt",
        "bits 22:31 hold RT and RA of the instruction; a 970 defines more bits",
    ),
    ("the error of `darn`", "none but for L=3, which gives all ones"),
    ("`icbt`", "does nothing"),
    ("CFAR", "only stores: branches do not write it"),
)

UNDEFINED_QUOTIENT = 0
UNDEFINED_REMAINDER = 0


@hot
def both_halves(word):
    """The high word of mulhw and mulhwu."""
    return sll(word, 32) | low32(word)


@hot
def word_quotient(quotient):
    """The high word of a 32-bit quotient."""
    return low32(quotient)


@jit
def one_field(fxm):
    """mtocrf, mfocrf: the number of the field FXM names. Several bits: the leftmost one; none: field 7."""
    return clz(fxm | 1) - 56


XER_KEPT_LOW = (1 << 18) - 1
"""What mtxer keeps beside SO, OV, CA, and at level 3.0 OV32 and CA32. Book I reserves bits 46:56."""
