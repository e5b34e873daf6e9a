"""Time for the node: the servers of all management adapters, each once, for chronyd."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from evenet_core.linux.timesources import TimeSources
from evenet_core.model.adapters import Adapter
from evenet_core.model.addressing import Addressing
from evenet_core.model.dnsname import is_dns_name
from evenet_core.reconciler.item import Item

__all__ = ["plan_times"]


def plan_times(adapters: Sequence[tuple[Adapter, Addressing]], directory: str) -> list[Item]:
    """In the order of cost. Without any, chronyd has what its own configuration says.

    :param directory: where chronyd looks for sources; empty: nobody does
    """
    ranked = sorted(adapters, key=lambda pair: pair[0].rank)
    servers = dict.fromkeys(str(server) for _, addressing in ranked for server in addressing.ntp)
    usable = tuple(server for server in servers if _is_server(server))
    return [TimeSources(directory, usable)] if directory and usable else []


def _is_server(text: str) -> bool:
    """What is neither name nor address reaches no configuration; a link-local address means nothing there."""
    try:
        return not ip_address(text).is_link_local
    except ValueError:
        return is_dns_name(text)
