"""Frames of the remote protocol: what is sent arrives, and nothing that arrives does harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqvisor.lab.gdb.packets import LONGEST, Decoder, Event, Kind, frame


def events(data):
    return list(Decoder().feed(data))


@given(st.binary(max_size=200), st.integers(0, 200))
def test_what_is_framed_arrives_in_whatever_pieces(data, cut):
    decoder = Decoder()
    sent = frame(data)
    assert [*decoder.feed(sent[:cut]), *decoder.feed(sent[cut:])] == [Event(Kind.PACKET, data)]


def test_acknowledgements_and_ctrl_c_come_between_frames():
    assert [e.kind for e in events(b"+-\x03" + frame(b"g"))] == [Kind.ACK, Kind.REFUSED, Kind.INTERRUPT, Kind.PACKET]


@pytest.mark.parametrize("data", [b"$g#00", b"$g#zz", b"$g#+1", b"$" + b"x" * (LONGEST + 1)])
def test_a_broken_frame_is_refused_and_the_next_one_arrives(data):
    assert [e.kind for e in events(data + frame(b"?"))] == [Kind.BROKEN, Kind.PACKET]


def test_a_frame_without_an_end_gives_way_to_the_next():
    assert [e.kind for e in events(b"$never" + frame(b"?"))] == [Kind.BROKEN, Kind.PACKET]


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_noise_is_only_noise(pieces):
    decoder = Decoder()
    for piece in pieces:
        for event in decoder.feed(piece):
            assert isinstance(event, Event)
