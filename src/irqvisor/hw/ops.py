"""Dense operation ids: what `hw/decode.py` makes of an instruction word, in the groups of the run loop.

An id says what to do with normalised operands, so that many instructions share one: x = gpr[a], y = gpr[c] + immediate,
result to gpr[t]; register 32 is always zero. Logical forms have a = RS and t = RA. The groups are contiguous, each ends
at its ``..._END``, and an id belongs to the first group whose end is above it. Ids stay below `RC`.
"""

UNDECODED = 0

# Pure functions of two operands and the small field (`hw/alu.py`)
ADD = 1  # also addi, addis
SUBF = 2  # y - x; also neg
AND = 3  # also andi., andis.
ANDC = 4
OR = 5  # also ori, oris, nop
ORC = 6
XOR = 7  # also xori, xoris
NOR = 8
NAND = 9
EQV = 10
EXTSB = 11
EXTSH = 12
EXTSW = 13
EXTSWSLI = 14
CNTLZW = 15
CNTLZD = 16
CNTTZW = 17
CNTTZD = 18
POPCNTB = 19
POPCNTW = 20
POPCNTD = 21
PRTYW = 22
PRTYD = 23
CMPB = 24
BPERMD = 25
SLW = 26
SRW = 27
SLD = 28
SRD = 29
RLWINM = 30  # rotate the word by x, AND with the immediate
RLDIC = 31  # all rldic*: rotate the doubleword by x, AND with the immediate
MULLW = 32
MULLD = 33  # also mulli
MULHW = 34
MULHWU = 35
MULHD = 36
MULHDU = 37
DIVW = 38  # the divides and modulos go together, see `alu.divide`
DIVWU = 39
DIVD = 40
DIVDU = 41
DIVWE = 42
DIVWEU = 43
DIVDE = 44
DIVDEU = 45
MODSW = 46
MODUW = 47
MODSD = 48
MODUD = 49
ALU_END = 50

# Plain loads and stores of t at a + c + immediate
LBZ = 50
LHZ = 51
LHA = 52
LWZ = 53
LWA = 54
LD = 55
LHBRX = 56
LWBRX = 57
LDBRX = 58
STB = 59
STH = 60
STW = 61
STD = 62
STHBRX = 63
STWBRX = 64
STDBRX = 65
STORE_FIRST = STB
MEM_END = 66

# Branches (`hw/branch.py`)
B = 66  # relative; x: LK. An absolute form follows its relative one
BA = 67
BC = 68  # t: BO, a: BI, x: LK
BCA = 69
BC_TRUE = 70  # bc on a CR bit alone, LK=0; a: CR field, t: mask in it
BC_FALSE = 71
BCLR = 72
BCCTR = 73
BCTAR = 74
BRANCH_END = 75

# Whatever reads or writes CR (`hw/condition.py`)
CMPW = 75  # t: CR field. The L=1 form follows
CMPD = 76
CMPLW = 77
CMPLD = 78
CRAND = 79  # t, a, c: bits
CRANDC = 80
CREQV = 81
CRNAND = 82
CRNOR = 83
CROR = 84
CRORC = 85
CRXOR = 86
MCRF = 87
MCRXR = 88
MCRXRX = 89
MFCR = 90
MFOCRF = 91  # x: field
MTCRF = 92  # x: FXM
MTOCRF = 93  # x: field
ISEL = 94  # x: bit
SETB = 95  # a: field
CMPRB = 96  # x: L
CMPEQB = 97
ADDPCIS = 98  # here because it needs the address of the instruction
CONDITION_END = 99

# Whatever reads or writes XER, or needs a third register (`hw/carry.py`)
ADDC = 99  # also addic
SUBFC = 100  # also subfic
ADDE = 101  # also addme (y = -1), addze (y = 0)
SUBFE = 102  # also subfme, subfze
ADDO = 103
SUBFO = 104  # also nego
ADDCO = 105
SUBFCO = 106
ADDEO = 107
SUBFEO = 108
MULLWO = 109
MULLDO = 110
DIVWO = 111  # same order as DIVW to DIVDEU
DIVWUO = 112
DIVDO = 113
DIVDUO = 114
DIVWEO = 115
DIVWEUO = 116
DIVDEO = 117
DIVDEUO = 118
SRAW = 119  # also srawi
SRAD = 120  # also sradi
ADDEX = 121
RLWIMI = 122  # x: register RA; immediate: packed rotation, see `carry.insert`
RLDIMI = 123
RLWNM = 124  # x: register RB; immediate: mask
RLDCX = 125  # rldcl, rldcr: x: register RB; immediate: mask
MADDLD = 126  # x: register RC
MADDHD = 127
MADDHDU = 128
CARRY_END = 129

# Update forms, in the order of the plain ones: op - UPDATE_FIRST + LBZ is the plain operation
LBZU = 129
LHZU = 130
LHAU = 131
LWZU = 132
LWAU = 133
LDU = 134  # byte-reversed loads have no update form: three unused numbers
STBU = 138
STHU = 139
STWU = 140
STDU = 141
UPDATE_FIRST = LBZU
UPDATE_END = 142

# Everything else (`hw/system.py`)
LMW = 142
STMW = 143
LSWI = 144  # x: bytes, 1..32
LSWX = 145
STSWI = 146
STSWX = 147
LQ = 148
STQ = 149
LBARX = 150
LHARX = 151
LWARX = 152
LDARX = 153
LQARX = 154
STBCX = 155
STHCX = 156
STWCX = 157
STDCX = 158
STQCX = 159
DCBZ = 160  # x: 1 for dcbzl
ICBI = 161
NOP = 162  # barriers, cache hints
SC = 163  # immediate: LEV
SCV = 164  # immediate: LEV
RFID = 165
HRFID = 166
RFEBB = 167
RFSCV = 168
MTMSR = 169  # t: RS, x: L
MTMSRD = 170  # t: RS, x: L
MFMSR = 171
MFSPR = 172  # immediate: number
MTSPR = 173  # t: RS, immediate: number
MFTB = 174  # immediate: number
TW = 175  # t: TO
TD = 176
NAP = 177
DOZE = 178
SLEEP = 179
RVWINKLE = 180
STOP_WAIT = 181  # stop, 3.0
WAIT = 182
MSGSND = 183
MSGCLR = 184
MSGSNDP = 185
MSGCLRP = 186
MSGSYNC = 187
TLB_SUPERVISOR = 188  # slb*, tlbiel, mtsr, dcbi: no-ops in supervisor state
TLB_HYPERVISOR = 189  # tlbie, tlbsync
SEGMENT_READ = 190  # mfsr, slbmfee ...: t <- 0
LBZCIX = 191  # caching-inhibited
LHZCIX = 192
LWZCIX = 193
LDCIX = 194
STBCIX = 195
STHCIX = 196
STWCIX = 197
STDCIX = 198
DARN = 199  # x: L
FP_UNAVAILABLE = 200
VEC_UNAVAILABLE = 201
VSX_UNAVAILABLE = 202
TM_PROBLEM = 203  # transactional memory
TM_PRIVILEGED = 204  # treclaim, trechkpt
MFBHRBE = 205
CLRBHRB = 206
ATTN = 207
ILLEGAL = 208
PAGE_END = 209  # never decoded: the record behind a page's last word
SYSTEM_END = 210

# Branches that stay in their page, as `interpret` rewrites them; immediate: words (`hw/stretch.py`)
B_NEAR = 210
BL_NEAR = 211
BC_TRUE_NEAR = 212
BC_FALSE_NEAR = 213
BDNZ_NEAR = 214
NEAR_FIRST = B_NEAR
NEAR_END = 215

RC = 256
"""Added to an ALU or CARRY operation: the record form, which also sets CR0."""

NAMES: dict[int, str] = {
    value: name
    for name, value in list(globals().items())
    if isinstance(value, int) and name != "RC" and not name.endswith(("_END", "_FIRST"))
}
"""The name of each operation, for messages."""
NAMES[PAGE_END] = "PAGE_END"
