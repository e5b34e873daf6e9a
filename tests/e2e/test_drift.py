"""Somebody else changes what is ours, of every sort: it is repaired, and the events say what it was."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.support.site import CASES, Site, eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(600), pytest.mark.xdist_group("drift")]

CASE = "local-ni-multiple-ports"


@dataclass(frozen=True, slots=True)
class Damage:
    """What somebody does on the device, what shows that it is repaired, and what an event says of it."""

    does: str
    shows: str
    says: str
    by: str = ""


DAMAGES = {
    "an address": Damage("ip addr del $ADDRESS dev eth0", "ip -o -4 addr show dev eth0", "address", "ip (pid|pid "),
    "a route": Damage("ip route flush table 501", "ip route show table 501", "route", "ip (pid|pid "),
    "a rule": Damage("ip rule del $RULE", "ip rule show | sort", "rule", "ip (pid|pid "),
    "an MTU": Damage("ip link set eth0 mtu 1400", "ip -o link show dev eth0", "mtu"),
    "a bridge port": Damage("ip link set keth0 nomaster", "ip -o link show dev keth0", "eth0"),
    "a setting": Damage("echo 0 >/proc/sys/net/ipv4/ip_forward", "cat /proc/sys/net/ipv4/ip_forward", "ip_forward"),
    "a setting of a link": Damage(
        "echo 0 >/proc/sys/net/ipv4/conf/eth0/arp_ignore", "cat /proc/sys/net/ipv4/conf/eth0/arp_ignore", "arp_ignore"
    ),
    "a chain of the firewall": Damage(
        "nft flush chain inet evenet $CHAIN", "nft -s list chain inet evenet $CHAIN", "nft", "nft"
    ),
    "a table of the firewall": Damage(
        "nft delete table inet evenet", "nft -s list chain inet evenet $CHAIN", "nft", "nft"
    ),
    "a DHCP server": Damage("pkill -KILL -x dnsmasq", "pgrep -x dnsmasq >/dev/null && echo runs", "daemon dnsmasq"),
    "a DHCP client": Damage("pkill -KILL -x dhcpcd", "pgrep -x dhcpcd >/dev/null && echo runs", "daemon dhcpcd"),
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    site = Site(f"t{os.getpid()}-drift", CASE)
    site.up("--device-config", str(CASES / CASE / "device-config.json"))
    eventually("it to settle", lambda: site.status()["state"] == "converged" and not site.json("plan")["changes"])
    yield site
    site.down()


@pytest.mark.parametrize("what", DAMAGES)
def test_what_somebody_else_changes_is_noticed_told_and_repaired(lab: Site, what: str) -> None:
    damage = DAMAGES[what]
    shell = environment(lab)
    before = shell(damage.shows)
    seen = lab.json("events")[-1]["seq"]

    shell(damage.does)

    def told() -> list[dict[str, str]]:
        return [e for e in lab.json("events") if e["seq"] > seen and e["kind"] == "drift" and damage.says in e["text"]]

    [event, *_] = eventually(f"an event of {damage.says}", told)
    eventually("the repair", lambda: shell(damage.shows) == before)
    eventually("the rest", lambda: lab.status()["state"] == "converged" and not lab.json("plan")["changes"])
    assert any((event["by"] or "").startswith(name) for name in damage.by.split("|")), event


def environment(lab: Site) -> Callable[[str], str]:
    """A shell on the device that knows an address, a rule and a chain of ours."""
    [eth0] = lab.ip("-4", "addr", "show", "dev", "eth0")
    address = f"{eth0['addr_info'][0]['local']}/{eth0['addr_info'][0]['prefixlen']}"
    rule = next(rule for rule in lab.ip("rule", "show") if rule.get("table") == "501" and rule["src"] != "all")
    chains = lab.exec("device", "nft", "list", "chains", "inet").stdout.split("table inet evenet {")[1]
    chain = next(line.split()[1] for line in chains.splitlines() if line.strip().startswith("chain "))
    known = f"ADDRESS={address}; RULE='priority {rule['priority']} from {rule['src']}'; CHAIN={chain}; "
    return lambda command: lab.exec("device", "sh", "-c", known + command, check=False).stdout
