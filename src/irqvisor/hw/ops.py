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
LHABRX = 57  # then sign-extended: lha and lwa in little-endian mode
LWBRX = 58
LWABRX = 59
LDBRX = 60
STB = 61
STH = 62
STW = 63
STD = 64
STHBRX = 65
STWBRX = 66
STDBRX = 67
STORE_FIRST = STB
MEM_END = 68

# Branches (`hw/branch.py`)
B = 68  # relative; x: LK. An absolute form follows its relative one
BA = 69
BC = 70  # t: BO, a: BI, x: LK
BCA = 71
BC_TRUE = 72  # bc on a CR bit alone, LK=0; a: CR field, t: mask in it
BC_FALSE = 73
BCLR = 74
BCCTR = 75
BCTAR = 76
BRANCH_END = 77

# Whatever reads or writes CR (`hw/condition.py`)
CMPW = 77  # t: CR field. The L=1 form follows
CMPD = 78
CMPLW = 79
CMPLD = 80
CRAND = 81  # t, a, c: bits
CRANDC = 82
CREQV = 83
CRNAND = 84
CRNOR = 85
CROR = 86
CRORC = 87
CRXOR = 88
MCRF = 89
MCRXR = 90
MCRXRX = 91
MFCR = 92
MFOCRF = 93  # x: field
MTCRF = 94  # x: FXM
MTOCRF = 95  # x: field
ISEL = 96  # x: bit
SETB = 97  # a: field
CMPRB = 98  # x: L
CMPEQB = 99
ADDPCIS = 100  # here because it needs the address of the instruction
CONDITION_END = 101

# Whatever reads or writes XER, or needs a third register (`hw/carry.py`)
ADDC = 101  # also addic
SUBFC = 102  # also subfic
ADDE = 103  # also addme (y = -1), addze (y = 0)
SUBFE = 104  # also subfme, subfze
ADDO = 105
SUBFO = 106  # also nego
ADDCO = 107
SUBFCO = 108
ADDEO = 109
SUBFEO = 110
MULLWO = 111
MULLDO = 112
DIVWO = 113  # same order as DIVW to DIVDEU
DIVWUO = 114
DIVDO = 115
DIVDUO = 116
DIVWEO = 117
DIVWEUO = 118
DIVDEO = 119
DIVDEUO = 120
SRAW = 121  # also srawi
SRAD = 122  # also sradi
ADDEX = 123
RLWIMI = 124  # x: register RA; immediate: packed rotation, see `carry.insert`
RLDIMI = 125
RLWNM = 126  # x: register RB; immediate: mask
RLDCX = 127  # rldcl, rldcr: x: register RB; immediate: mask
MADDLD = 128  # x: register RC
MADDHD = 129
MADDHDU = 130
CARRY_END = 131

# Update forms, in the order of the plain ones: op - UPDATE_FIRST + LBZ is the plain operation
LBZU = 131
LHZU = 132
LHAU = 133
LWZU = 134
LWAU = 135
LDU = 136
LHBRXU = 137  # byte-reversed: no instruction, but the update forms of little-endian mode
LHABRXU = 138
LWBRXU = 139
LWABRXU = 140
LDBRXU = 141
STBU = 142
STHU = 143
STWU = 144
STDU = 145
STHBRXU = 146
STWBRXU = 147
STDBRXU = 148
UPDATE_FIRST = LBZU
UPDATE_END = 149

# The hypervisor's accesses to devices (`hw/storage.py`)
LBZCIX = 149
LHZCIX = 150
LWZCIX = 151
LDCIX = 152
STBCIX = 153
STHCIX = 154
STWCIX = 155
STDCIX = 156
DATA_END = 157

# Everything else (`hw/system.py`)
LMW = 157
STMW = 158
LSWI = 159  # x: bytes, 1..32
LSWX = 160
STSWI = 161
STSWX = 162
LQ = 163
STQ = 164
LBARX = 165
LHARX = 166
LWARX = 167
LDARX = 168
LQARX = 169
STBCX = 170
STHCX = 171
STWCX = 172
STDCX = 173
STQCX = 174
DCBZ = 175  # x: 1 for dcbzl
ICBI = 176
NOP = 177  # barriers, cache hints
SC = 178  # immediate: LEV
SCV = 179  # immediate: LEV
RFID = 180
HRFID = 181
RFEBB = 182
RFSCV = 183
MTMSR = 184  # t: RS, x: L
MTMSRD = 185  # t: RS, x: L
MFMSR = 186
MFSPR = 187  # immediate: number
MTSPR = 188  # t: RS, immediate: number
MFTB = 189  # immediate: number
TW = 190  # t: TO
TD = 191
NAP = 192
DOZE = 193
SLEEP = 194
RVWINKLE = 195
STOP_WAIT = 196  # stop, 3.0
WAIT = 197
MSGSND = 198
MSGCLR = 199
MSGSNDP = 200
MSGCLRP = 201
MSGSYNC = 202
TLB_SUPERVISOR = 203  # slb*, tlbiel, mtsr, dcbi: no-ops in supervisor state
TLB_HYPERVISOR = 204  # tlbie, tlbsync
SEGMENT_READ = 205  # mfsr, slbmfee ...: t <- 0
DARN = 206  # x: L
FP_UNAVAILABLE = 207
VEC_UNAVAILABLE = 208
VSX_UNAVAILABLE = 209
TM_PROBLEM = 210  # transactional memory
TM_PRIVILEGED = 211  # treclaim, trechkpt
MFBHRBE = 212
CLRBHRB = 213
ATTN = 214
ADDG6S = 215  # these three: hw/decimal.py
CBCDTD = 216
CDTBCD = 217
ILLEGAL = 218
PAGE_END = 219  # never decoded: the record behind a page's last word
SYSTEM_END = 220

# Branches that stay in their page, as `interpret` rewrites them; immediate: words (`hw/stretch.py`)
B_NEAR = 220
BL_NEAR = 221
BC_TRUE_NEAR = 222
BC_FALSE_NEAR = 223
BDNZ_NEAR = 224
NEAR_FIRST = B_NEAR
NEAR_END = 225

HOST = 225  # host code for what begins here, which is another operation by itself (`hw/host.py`)

RC = 256
"""Added to an ALU or CARRY operation: the record form, which also sets CR0."""

NAMES: dict[int, str] = {
    value: name
    for name, value in list(globals().items())
    if isinstance(value, int) and name != "RC" and not name.endswith(("_END", "_FIRST"))
}
"""The name of each operation, for messages."""
NAMES[PAGE_END] = "PAGE_END"
