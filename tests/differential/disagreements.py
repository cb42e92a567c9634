"""Where a reference is wrong, or lacks what the book has: rows that are not compared with it.

Told with the book's words in docs/reference/disagreements.md; a test compares the two lists.
"""

STRINGS = ("lmw", "stmw", "lswi", "lswx", "stswi", "stswx")
TRAPS = ("tw", "td", "twi", "tdi")
DECIMAL = ("addg6s", "cbcdtd", "cdtbcd")

QEMU = {
    # row: why it is left out with qemu-user 7.2
    "stqcx.": "lqarx sets no reservation at its address, so that the store never happens",
    "divdeo[.]": "misses an overflow of the quotient into the sign bit",
    "icbt": "is an illegal instruction",
    "dst": "is an illegal instruction on a 970",
    "dstst": "is an illegal instruction on a 970",
}
QEMU_LITTLE_ENDIAN = QEMU | dict.fromkeys(STRINGS, "ends the emulator: it knows no alignment interrupt here")
UNICORN = (
    {"icbt": QEMU["icbt"]}
    | dict.fromkeys(TRAPS, "stops without saying in which state")
    | dict.fromkeys(DECIMAL, "is an illegal instruction")
)
UNICORN_LITTLE_ENDIAN = UNICORN | dict.fromkeys(STRINGS, "stops without saying in which state")
