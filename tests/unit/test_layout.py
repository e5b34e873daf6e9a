"""A layout reads the message it knows the shape of as it reads one that it sees for the first time."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.linux import netlink
from evenet_core.linux.layout import MOST, Layout
from evenet_core.linux.netlink import NetlinkError

HEADER = struct.Struct("=BxH")
NUMBERS, PAYLOADS = (1, 2), (3, 4)

attribute = st.one_of(
    st.builds(netlink.number, st.sampled_from((1, 2)), st.integers(0, 255), st.sampled_from((1, 2, 4))),
    st.builds(netlink.raw, st.integers(1, 6), st.binary(max_size=9)),
    st.builds(netlink.nested, st.integers(3, 5), st.binary(max_size=4)),
)
well_formed = st.builds(
    lambda head, members, cut: (head + b"".join(members))[: -cut or None],
    st.binary(min_size=4, max_size=4),
    st.lists(attribute, max_size=5),
    st.sampled_from((0, 0, 0, 1, 2)),  # padding after the last attribute may be missing, or more than that
)
message = well_formed | st.binary(max_size=30)


def layout() -> Layout:
    return Layout(HEADER, NUMBERS, PAYLOADS)


def outcome(reader: Layout, data: bytes, before: bytes = b"") -> Any:
    """What is read, or that it is refused."""
    try:
        return reader.read(before + data, len(before), len(before) + len(data))
    except NetlinkError as error:
        return str(error)


@given(st.lists(message, max_size=12), st.binary(max_size=5))
def test_whatever_came_before_a_message_is_read_or_refused_as_if_it_were_the_first(
    messages: list[bytes], before: bytes
) -> None:
    experienced = layout()

    for data in (*messages, *messages):
        assert outcome(experienced, data, before) == outcome(layout(), data)


@given(well_formed, st.integers(0, 60), st.integers(0, 255))
def test_a_message_with_one_byte_changed_is_never_taken_for_the_one_before(data: bytes, place: int, value: int) -> None:
    experienced = layout()
    outcome(experienced, data)
    other = bytearray(data)
    other[place % len(other)] = value

    assert outcome(experienced, bytes(other)) == outcome(layout(), bytes(other))


def test_numbers_and_payloads_come_in_the_order_asked_for_and_what_is_missing_is_told() -> None:
    data = HEADER.pack(9, 8) + netlink.raw(4, b"abc") + netlink.number(2, 7)

    reader = layout()

    assert [reader.read(data), reader.read(data)] == [(9, 8, 0, 7, None, b"abc")] * 2


def test_of_two_attributes_of_one_type_the_last_counts() -> None:
    data = HEADER.pack(9, 8) + netlink.raw(1, b"odd") + netlink.number(1, 5) + netlink.number(1, 6, 1)

    reader = layout()

    assert [reader.read(data), reader.read(data)] == [(9, 8, 6, 0, None, None)] * 2


def test_a_number_of_an_odd_length_is_refused_each_time() -> None:
    reader = layout()

    for _ in range(2):
        with pytest.raises(NetlinkError, match="a number of 3 bytes"):
            reader.read(HEADER.pack(9, 8) + netlink.raw(1, b"odd"))


def test_messages_of_ever_new_shapes_are_read_and_not_all_remembered() -> None:
    reader = layout()
    shapes = [HEADER.pack(1, 2) + netlink.raw(7, bytes(size)) for size in range(2 * MOST)]

    assert {reader.read(data) for data in shapes} == {(1, 2, 0, 0, None, None)}
    assert sum(map(len, reader._shapes.values())) == MOST
