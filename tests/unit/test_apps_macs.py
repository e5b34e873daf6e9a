"""MACs that nobody has to remember: EVE's own ones, each another, each of an app and on a link allowed."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenet_core.apps.macs import bridge_mac, vif_mac

DEVICE, APP, NI = (str(UUID(int=n)) for n in (1, 2, 3))
UUIDS = st.uuids().map(str)
PLACES = st.integers(1, 255)


def octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def test_a_bridge_has_the_vendors_part_two_octets_of_the_device_and_its_number() -> None:
    digest = sha256(UUID(DEVICE).bytes).digest()

    assert octets(bridge_mac(DEVICE, 7)) == bytes((0x00, 0x16, 0x3E, digest[0], digest[1], 7))


def test_without_a_device_the_two_octets_are_six_and_zero() -> None:
    assert bridge_mac("", 7) == "00:16:3e:06:00:07"


def test_numbers_beyond_one_octet_give_other_macs() -> None:
    macs = {bridge_mac(DEVICE, number) for number in range(1, 4001)}

    assert len(macs) == 4000


def test_an_app_on_a_switch_has_three_octets_of_its_identity() -> None:
    digest = sha256(UUID(APP).bytes + UUID(NI).bytes + bytes((1, 5))).digest()

    assert octets(vif_mac(APP, NI, 1, 5, local=False)) == b"\x02\x16\x3e" + digest[:3]


def test_an_app_on_a_local_instance_has_six_octets_of_its_identity() -> None:
    digest = sha256(UUID(APP).bytes + UUID(NI).bytes + bytes((2, 9))).digest()

    found = octets(vif_mac(APP, NI, 2, 9, local=True))

    assert found == bytes((digest[0] & 0xFE | 0x02,)) + digest[1:6]


@given(UUIDS, UUIDS, PLACES, PLACES, st.booleans())
def test_an_apps_mac_is_one_of_a_single_host_and_locally_administered(
    app: str, instance: str, place: int, number: int, local: bool
) -> None:
    first = octets(vif_mac(app, instance, place, number, local=local))[0]

    assert first & 0x03 == 0x02


@given(st.sets(st.tuples(UUIDS, UUIDS, PLACES, PLACES), min_size=2, max_size=2))
def test_whatever_differs_makes_another_mac(identities: set[tuple[str, str, int, int]]) -> None:
    first, second = (vif_mac(*identity, local=True) for identity in identities)

    assert first != second


@pytest.mark.parametrize("name", ["app", "", "7f8f9b4e-1f3c", "{7f8f9b4e-1f3c-4a6e-8d5c-2b1a0c9d8e7f", "größe"])
def test_an_identity_that_is_no_uuid_counts_by_its_letters(name: str) -> None:
    assert octets(vif_mac(name, NI, 1, 1, local=True))[0] & 0x03 == 0x02
    assert vif_mac(name, NI, 1, 1, local=True) != vif_mac(f"{name}x", NI, 1, 1, local=True)
