"""An address counts when the kernel has it and a way from it; one more route on its way is no reason to leave."""

from __future__ import annotations

from ipaddress import ip_interface

import pytest

from evenet_core.linux.address import Address
from evenet_core.linux.route import Route
from evenet_core.linux.rule import Rule
from evenet_core.model.resolved import InstancePort
from evenet_core.reconciler.item import Item
from evenet_core.runtime.ports import usable

PORT = InstancePort(
    label="eth0", ifname="eth0", table=501, addresses=(ip_interface("10.0.0.7/24"), ip_interface("2001:db8::7/64"))
)
FOUR, SIX = Address("eth0", "10.0.0.7", 24), Address("eth0", "2001:db8::7", 64)
RULE = Rule(4, 10000, 501, source="10.0.0.7/32")
DEFAULT, LINK, MORE = (Route(501, to, "eth0") for to in ("0.0.0.0/0", "10.0.0.0/24", "10.77.0.0/16"))
ALL = (FOUR, SIX, RULE, DEFAULT, LINK)


@pytest.mark.parametrize(
    ("coming", "counts"),
    [
        ((), ["10.0.0.7/24", "2001:db8::7/64"]),
        ((FOUR,), ["2001:db8::7/64"]),
        ((RULE,), ["2001:db8::7/64"]),
        ((SIX,), ["10.0.0.7/24"]),
        ((MORE,), ["10.0.0.7/24", "2001:db8::7/64"]),
        ((DEFAULT,), ["10.0.0.7/24", "2001:db8::7/64"]),
        ((DEFAULT, LINK, MORE), []),
    ],
)
def test_an_address_counts_when_it_and_a_way_from_it_are_there(coming: tuple[Item, ...], counts: list[str]) -> None:
    port = usable(PORT, [(item, item in coming) for item in (*ALL, MORE)])

    assert [str(address) for address in port.addresses] == counts


def test_without_any_route_there_is_none_to_wait_for() -> None:
    assert usable(PORT, [(FOUR, False)]).addresses == PORT.addresses
