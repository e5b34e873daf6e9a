"""Names for the node itself: a local forwarder that asks each adapter's servers through that adapter."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from evenet_core.linux.daemon import Daemon, daemon_key
from evenet_core.linux.lastword import ADDRESS as LAST_WORD
from evenet_core.linux.resolvconf import ResolvConf
from evenet_core.model.adapters import Adapter
from evenet_core.model.addressing import Addressing
from evenet_core.model.dnsname import is_dns_name
from evenet_core.model.values import IPAddress
from evenet_core.reconciler.item import Item, Requires

__all__ = ["FORWARDER", "plan_names"]

FORWARDER = "names"  # name of the daemon
LISTEN = "127.0.0.1"

# dnsmasq(8). One line a setting; `servers` holds the upstreams; it is read as nobody, again on SIGHUP.
CONFIG = """\
port=53
listen-address=127.0.0.1
bind-interfaces
interface=lo
no-dhcp-interface=lo
no-resolv
no-hosts
no-poll
strict-order
neg-ttl=10
user=nobody
group=nogroup
pid-file=
log-facility=-
servers-file={dir}/servers
"""


def plan_names(
    adapters: Sequence[tuple[Adapter, Addressing]], resolv_conf: str, preferred: Container[str] = ()
) -> list[Item]:
    """Items of the node's resolver: none while no management adapter has a name server.

    Servers stand in the order of cost; there is no limit to their number. Domains that an adapter
    searches are asked of its own servers.

    :param preferred: labels of the adapters that work best now: their servers come first, a dead one costs seconds
    """
    ranked = sorted(adapters, key=lambda pair: (pair[0].label not in preferred, pair[0].rank))
    servers = list(_split(ranked)) + [
        f"server={_asked_by(adapter, server)}" for adapter, addressing in ranked for server in addressing.dns
    ]
    if not servers:
        return []
    searched = dict.fromkeys(domain for _, addressing in ranked if addressing.dns for domain in domains(addressing))
    servers += [f"server=/{domain}/{LAST_WORD}" for domain in searched] + [f"server={LAST_WORD}"]
    forwarder = Daemon(
        FORWARDER,
        argv=("dnsmasq", "--keep-in-foreground", "--conf-file={dir}/dnsmasq.conf"),
        files=(("dnsmasq.conf", CONFIG),),
        reloadable=(("servers+r", "\n".join(dict.fromkeys(servers)) + "\n"),),
    )
    if not resolv_conf:
        return [forwarder]
    search = tuple(dict.fromkeys(domain for _, addressing in ranked for domain in domains(addressing)))
    needs = (Requires(daemon_key(FORWARDER), "names are looked up through the local forwarder"),)
    return [forwarder, ResolvConf(resolv_conf, (LISTEN,), search, needs)]


def domains(addressing: Addressing) -> Iterable[str]:
    """Search domains of an adapter, its own domain first; what is no domain reaches no resolver's configuration."""
    spelled = (domain.rstrip(".") for domain in (addressing.domain, *addressing.search))
    return dict.fromkeys(domain for domain in spelled if is_dns_name(domain))


def _split(ranked: Sequence[tuple[Adapter, Addressing]]) -> Iterable[str]:
    for adapter, addressing in ranked:
        for domain in domains(addressing):
            for server in addressing.dns:
                yield f"server=/{domain}/{_asked_by(adapter, server)}"


def _asked_by(adapter: Adapter, server: IPAddress) -> str:
    """A server, asked through the adapter's link and with an address of it."""
    scope = f"%{adapter.ifname}" if server.version == 6 and server.is_link_local else ""
    return f"{server}{scope}@{adapter.ifname}"
