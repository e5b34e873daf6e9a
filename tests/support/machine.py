"""A machine that others used before: ports in every state that an operator may leave them in, and what is around."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evenet_core.linux.netns import make_namespace
from tests.support.kernel import ip, run
from tests.support.site import eventually

__all__ = ["HABITS", "Cables", "make_machine", "no_tentative"]

# What an operator did to a port, by the port's name. P is the port, N its number.
HABITS: Mapping[str, str] = {
    "plain": "ip link set P up",
    "own": """
        ip link set P up
        ip addr add 192.0.N.7/24 dev P
        ip addr add 198.51.N.7/24 dev P valid_lft 10000 preferred_lft 5000
        ip addr add 2001:db8:N::7/64 dev P nodad valid_lft 10000 preferred_lft 5000
        ip addr add 2001:db8:N::8/64 dev P nodad noprefixroute
        ip route add 203.0.N.0/24 via 192.0.N.1 dev P
        ip route add default via 192.0.N.1 dev P metric 50N table 77
        ip -6 route add 2001:db8:N:1::/64 via 2001:db8:N::1 dev P
        ip neigh add 192.0.N.99 lladdr 02:00:00:00:00:99 dev P nud permanent
        ip neigh add proxy 192.0.N.98 dev P
    """,
    "named": """
        ip link set P mtu 1400 alias 'rack 7, left' txqueuelen 500 group 7 addrgenmode none
        ip link property add dev P altname long-name-of-P
        ip link set P up
    """,
    "down": "ip addr add 192.0.N.7/24 dev P; ip link set P promisc on down",
    "private": """
        sysctl -q -w net.ipv6.conf.P.stable_secret=2001:db8::N
        ip link set P address 02:aa:00:00:00:N addrgenmode stable_secret allmulticast on
        ip link set P up
    """,
    "random": "ip link set P addrgenmode random; ip link set P up",
    "tuned": """
        for s in ipv6/conf/P/disable_ipv6=1 ipv6/conf/P/use_tempaddr=2 ipv6/conf/P/accept_ra=2 \
                 ipv6/conf/P/forwarding=1 ipv4/conf/P/rp_filter=1 ipv4/conf/P/forwarding=1 ipv4/conf/P/arp_ignore=2 \
                 ipv4/neigh/P/retrans_time=77
        do sysctl -q -w net/$s; done
        ethtool -K P tso off gro off
        tc qdisc add dev P root pfifo limit 77
        ip link set P up
    """,
    "small": "ip link set P mtu 1000 up",
}
AROUND = """
    ip link add foreign0 type bridge forward_delay 0 ageing_time 12345 priority 4096 group_fwd_mask 8
    ip link set foreign0 up
    ip addr add 10.99.0.1/24 dev foreign0
    ip link add member type veth peer name other
    ip link set member master foreign0 up
    ip link set other up
    ip rule add from 10.99.0.0/24 lookup 77 priority 10000
    ip route add blackhole 10.98.0.0/16
    ip -6 rule add from 2001:db8:99::/64 lookup 77 priority 15000
    sysctl -q -w net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.foreign0.forwarding=1
    sysctl -q -w net.ipv6.conf.foreign0.forwarding=1 net.ipv4.ip_nonlocal_bind=1
    nft 'add table inet other; add chain inet other c { type filter hook forward priority 0; }'
    nft 'add rule inet other c accept'
"""


class Cables:
    """Where the other ends of cables are."""

    def __init__(self, namespace: int) -> None:
        self._namespace = namespace

    def plug(self, port: str, number: int) -> None:
        """A port that is down, with a cable in it."""
        mac = f"02:00:00:00:01:{number:02x}"
        run("ip", "link", "add", port, "address", mac, "type", "veth", "peer", "name", f"w{number}")
        end = f"/proc/{os.getpid()}/fd/{self._namespace}"
        run("ip", "link", "set", f"w{number}", "netns", end)
        run("nsenter", f"--net={end}", "ip", "link", "set", f"w{number}", "up")


@contextmanager
def make_machine(*ports: tuple[str, str]) -> Iterator[Cables]:
    """The present namespace becomes one: these ports, each with a habit, and what others made."""
    namespace = make_namespace()
    try:
        cables = Cables(namespace)
        for number, (port, habit) in enumerate(ports, 1):
            cables.plug(port, number)
            run("sh", "-ec", HABITS[habit].replace("P", port).replace("N", str(number)))
        run("sh", "-ec", AROUND)
        eventually("the kernel to notice the cables", _is_awake)
        yield cables
    finally:
        os.close(namespace)


def _is_awake() -> bool:
    """Whether every link that is up has a carrier, and the address of its own that the kernel makes then."""
    made = {link["ifname"]: link["addr_info"] for link in ip("-6", "address", "show", "scope", "link") if link}
    links = [link for link in ip("link") if "UP" in link["flags"] and link["ifname"] != "lo"]
    return all("LOWER_UP" in link["flags"] and link["operstate"] in {"UP", "UNKNOWN"} for link in links) and all(
        made.get(link["ifname"]) for link in links if _gets_address(link)
    )


def _gets_address(link: dict[str, Any]) -> bool:
    setting = Path("/proc/sys/net/ipv6/conf", link["ifname"], "disable_ipv6")
    return setting.exists() and setting.read_text() == "0\n" and link["inet6_addr_gen_mode"] != "none"


def no_tentative() -> bool:
    """Whether the kernel has tried all its IPv6 addresses out."""
    return not run("ip", "-o", "address", "show", "tentative")
