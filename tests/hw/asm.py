"""Instruction words by mnemonic, for test programs; operands in the order of the books."""


def _d(primary, t, a, immediate):
    return primary << 26 | t << 21 | a << 16 | immediate & 0xFFFF


def _ds(primary, xo, t, a, immediate):
    assert immediate & 3 == 0
    return _d(primary, t, a, immediate) | xo


def _x(xo, t=0, a=0, b=0, primary=31, rc=0):
    return primary << 26 | t << 21 | a << 16 | b << 11 | xo << 1 | rc


def _spr(xo, t, number):
    return _x(xo, t, number & 31, number >> 5)


def d_form(primary):
    return lambda t, displacement, a: _d(primary, t, a, displacement)


def x_form(xo, rc=0):
    return lambda t, a, b: _x(xo, t, a, b, rc=rc)


lwz, lwzu, lbz, lbzu, stw, stwu, stb, stbu = (d_form(32 + k) for k in range(8))
lhz, lhzu, lha, lhau, sth, sthu, lmw, stmw = (d_form(40 + k) for k in range(8))


def ld(t, displacement, a):
    return _ds(58, 0, t, a, displacement)


def ldu(t, displacement, a):
    return _ds(58, 1, t, a, displacement)


def lwa(t, displacement, a):
    return _ds(58, 2, t, a, displacement)


def std(t, displacement, a):
    return _ds(62, 0, t, a, displacement)


def stdu(t, displacement, a):
    return _ds(62, 1, t, a, displacement)


lhbrx, lwbrx, ldbrx = x_form(790), x_form(534), x_form(532)
sthbrx, stwbrx, stdbrx = x_form(918), x_form(662), x_form(660)
ldx, stdx = x_form(21), x_form(149)
ldux, stdux = x_form(53), x_form(181)
lbarx, lharx, lwarx, ldarx = x_form(52), x_form(116), x_form(20), x_form(84)
stbcx, sthcx, stwcx, stdcx = x_form(694, 1), x_form(726, 1), x_form(150, 1), x_form(214, 1)
lswx, stswx = x_form(533), x_form(661)
lwax, lhax, lwzx, lhzx = x_form(341), x_form(343), x_form(23), x_form(279)
stwx, sthx = x_form(151), x_form(407)
lwaux, lhaux, lhzux, lwzux = x_form(373), x_form(375), x_form(311), x_form(55)
sthux, stwux = x_form(439), x_form(183)
lqarx, stqcx = x_form(276), x_form(182, 1)
lbzcix, lhzcix, lwzcix, ldcix = x_form(853), x_form(821), x_form(789), x_form(885)
stbcix, sthcix, stwcix, stdcix = x_form(981), x_form(949), x_form(917), x_form(1013)


def lq(t, displacement, a):
    return _d(56, t, a, displacement)


def stq(t, displacement, a):
    return _ds(62, 2, t, a, displacement)


def lswi(t, a, count):
    return _x(597, t, a, count & 31)


def stswi(t, a, count):
    return _x(725, t, a, count & 31)


def dcbz(a, b):
    return _x(1014, 0, a, b)


def dcbzl(a, b):
    return _x(1014, 1, a, b)


def icbi(a, b):
    return _x(982, 0, a, b)


def li(t, value):
    return _d(14, t, 0, value)


def addi(t, a, value):
    return _d(14, t, a, value)


def lis(t, value):
    return _d(15, t, 0, value)


def ori(a, s, value):
    return _d(24, s, a, value)


def add(t, a, b):
    return _x(266, t, a, b)


def b(displacement):
    return 18 << 26 | displacement & 0x03FFFFFC


def ba(address):
    return b(address) | 2


def bl(displacement):
    return b(displacement) | 1


def bc(bo, bi, displacement):
    return 16 << 26 | bo << 21 | bi << 16 | displacement & 0xFFFC


def bdnz(displacement):
    return bc(16, 0, displacement)


def beq(displacement):
    return bc(12, 2, displacement)


BLR = _x(16, 20, primary=19)
BCTR = _x(528, 20, primary=19)
NOP = ori(0, 0, 0)
ISYNC = _x(150, primary=19)
RFID = _x(18, primary=19)
HRFID = _x(274, primary=19)
NAP = _x(434, primary=19)
STOP = _x(370, primary=19)
RFSCV = _x(82, primary=19)
WAIT = _x(30)
ATTN = 256 << 1
TRAP = _x(4, 31)
ILLEGAL = 0


def sc(level=0):
    return 17 << 26 | level << 5 | 2


def scv(level=0):
    return 17 << 26 | level << 5 | 1


def rfebb(enable):
    return _x(146, b=enable, primary=19)


def darn(t, length):
    return _x(755, t, length)


def msgsnd(b):
    return _x(206, b=b)


def msgclr(b):
    return _x(238, b=b)


def msgsndp(b):
    return _x(142, b=b)


def msgclrp(b):
    return _x(174, b=b)


def mtmsrd(s, only_ee_ri=0):
    return _x(178, s, only_ee_ri)


def mtmsr(s, only_ee_ri=0):
    return _x(146, s, only_ee_ri)


def mfmsr(t):
    return _x(83, t)


def mtspr(number, s):
    return _spr(467, s, number)


def mfspr(t, number):
    return _spr(339, t, number)


def mftb(t, number=268):
    return _spr(371, t, number)


def tw(to, a, b):
    return _x(4, to, a, b)


def td(to, a, b):
    return _x(68, to, a, b)


def tdi(to, a, value):
    return _d(2, to, a, value)


def twi(to, a, value):
    return _d(3, to, a, value)


def subf_(t, a, b):
    """subf. (dot)."""
    return _x(40, t, a, b, rc=1)
