"""What is kept of udev's properties: whoever builds a USB stick writes some of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from evenet_core.linux.udev import LONGEST, MOST, kept


class Hostile(Mapping[str, str]):
    """Properties as pyudev gives them: names and values are decoded when they are asked for."""

    def __init__(self, **raw: bytes) -> None:
        self._raw = raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __getitem__(self, name: str) -> str:
        return self._raw[name].decode()


def test_only_what_describes_the_device_is_kept() -> None:
    found = kept({"DEVTYPE": "wlan", "ID_BUS": "usb", "INTERFACE": "wlan0", "USEC_INITIALIZED": "7", "TAGS": ":a:"})

    assert found == {"DEVTYPE": "wlan", "ID_BUS": "usb"}


def test_what_udev_says_of_the_present_name_is_left_out() -> None:
    """A port keeps its description while it is the lower part of an adapter."""
    found = kept({"ID_NET_NAME": "kenp1s0", "ID_NET_LINK_FILE": "x", "ID_RENAMING": "1", "ID_NET_NAME_PATH": "enp1s0"})

    assert found == {"ID_NET_NAME_PATH": "enp1s0"}


@pytest.mark.parametrize("value", [b"two\nlines", b"\x1b[31m", b"\xff\xfe", b"x" * (LONGEST + 1), b"a\0b"])
def test_a_value_that_is_no_short_line_of_text_is_left_out(value: bytes) -> None:
    assert kept(Hostile(ID_MODEL=value, ID_BUS=b"usb")) == {"ID_BUS": "usb"}


@pytest.mark.parametrize("name", ["ID_MODEL\n", "ID_", "id_model", "ID_" + "X" * 61, "ID_MODÈLE", ""])
def test_a_name_that_udev_would_not_give_is_left_out(name: str) -> None:
    assert kept({name: "x"}) == {}


def test_a_device_with_endless_properties_is_cut_short() -> None:
    assert len(kept({f"ID_{number}": "x" for number in range(100_000)})) == MOST
    assert kept({f"X{number}": "x" for number in range(100_000)} | {"ID_BUS": "usb"}) == {}


def test_a_name_that_cannot_be_read_ends_the_reading_and_costs_nothing_before_it() -> None:
    class Broken(Hostile):
        def __iter__(self) -> Iterator[str]:
            yield "ID_BUS"
            yield b"\xff".decode()

    assert kept(Broken(ID_BUS=b"usb")) == {"ID_BUS": "usb"}
