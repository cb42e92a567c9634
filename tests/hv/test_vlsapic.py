"""The virtual local SAPIC against a plain model, operation by operation, as a guest sees it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hv.designs.test_xen_ia64 import ON, board, pair_of, privop
from hv.harness import vcpu
from irqvisor.spec import sapic
from models.vlsapic import Sapic

VECTORS = (0x10, 0x3F, 0x40, 0x7F, 0xBF, 0xC0, 0xFF)
"""At the edges of classes and of 64-bit words; not those of the board's own sources."""


@pytest.fixture(scope="module")
def machine():
    return board()


OPERATIONS = st.one_of(
    st.tuples(st.just("pend"), st.sampled_from(VECTORS)),
    st.tuples(st.just("accept"), st.just(0)),
    st.tuples(st.just("end"), st.just(0)),
    st.tuples(st.just("tpr"), st.sampled_from([0, 0x10, 0x35, 0x7F, 0xF0, 0x10000])),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(OPERATIONS, max_size=25))
def test_it_does_what_the_model_does(machine, operations):
    guest, _ = pair_of(machine)
    model = Sapic()
    w = vcpu(guest.machine, guest.v)
    for operation, value in operations:
        if operation == "pend":
            word, bit = divmod(value, 64)
            w.irr[word] = int(w.irr[word]) | (1 << bit if bit < 63 else -(1 << 63))
            model.pend(value)
        elif operation == "accept":
            assert privop(guest, sapic.GET_IVR) == model.accept()
        elif operation == "end":
            privop(guest, sapic.EOI)
            model.end()
        else:
            assert privop(guest, sapic.SET_TPR, value) == 0
            model.tpr = value
    # Whether it would interrupt now
    expected = model.deliverable()
    privop(guest, sapic.SSM_I, msr=ON)
    assert (guest.at == 0x500) == (expected != sapic.SPURIOUS)
