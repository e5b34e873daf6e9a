"""What the local profile server is told of ports: how they are configured, by whom, and how they are. Pure.

No password is told.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from evenet_core.device.patches import patched
from evenet_core.device.verification import Phase, State
from evenet_core.formats.eve.enums import PROXY_PROTOCOL, WIFI_SCHEME
from evenet_core.localserver.asked import CELLULAR, IP_VERSION, WIFI
from evenet_core.model.adapters import Adapter, Dpc, Origin
from evenet_core.model.networks import Cellular, IpMode, IpSettings, Proxy, Wifi
from evenet_core.model.patches import PortPatch

__all__ = ["network_info"]

ORIGINS = {
    Origin.CONTROLLER: 1,
    Origin.BOOTSTRAP: 2,
    Origin.OVERRIDE: 3,
    Origin.LAST_RESORT: 4,
    Origin.CONSOLE: 5,
    Origin.LOCAL_CONTROLLER: 6,
    Origin.LOCAL_PROFILE: 7,
}


def network_info(
    state: State,
    overlay: Sequence[PortPatch],
    refused: Mapping[str, str],
    error: str,
    ports: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A NetworkInfo.

    :param overlay: what the server asked for last, and was taken
    :param refused: why it is not in use, by label
    :param error: why what it asked for now was not taken
    :param ports: as the status has them
    """
    errors = {port["label"]: port["error"] or "" for port in ports}
    local = {patch.label for patch in overlay} - refused.keys()
    info: dict[str, Any] = {
        "config_testing": _testing(state),
        "is_using_fallback_config": state.current > 0,
        "port_status": [_port_status(port) for port in ports],
        "local_config": {"error_message": error},
    }
    if state.candidate is None:
        return info
    first, current = state.candidates[0].dpc, state.candidate.dpc
    info["latest_config"] = [
        _port(a, errors, applied=state.current == 0 and a.label not in local) for a in first.adapters
    ]
    if state.current > 0:
        info["fallback_config"] = [_port(a, errors, applied=a.label not in local) for a in current.adapters]
    info["local_config"]["ports"] = [
        _port(adapter, {**errors, **refused}, applied=adapter.label in local) for adapter in _asked(current, overlay)
    ]
    return info


def _asked(dpc: Dpc, overlay: Sequence[PortPatch]) -> list[Adapter]:
    """The ports as the server wants them, whether it may or not."""
    wanted, _ = patched(dpc, overlay, Origin.LOCAL_PROFILE, permitted=True)
    labels = {patch.label for patch in overlay}
    return [adapter for adapter in wanted.adapters if adapter.label in labels]


def _testing(state: State) -> dict[str, Any]:
    running = state.phase in (Phase.WAITING, Phase.TESTING)
    results = state.candidate.results if state.candidate is not None else None
    reached = state.phase is Phase.COMMITTED and state.failing_since is None
    found: dict[str, Any] = {
        "controller_reachable": reached,
        "connectivity_error": "" if reached or results is None else results.last_error,
        "testing_in_progress": running,
        "testing_phase": str(state.phase) if running else "",
    }
    tested = [at for at in (results.last_failed, results.last_succeeded) if at is not None] if results else []
    if tested:
        found["last_test_time"] = {"seconds": int(max(tested))}
    return found


def _port_status(port: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "logical_label": port["label"],
        "interface_name": port["ifname"] or "",
        "link_up": bool(port["carrier"]),
        "mac_address": port["mac"] or "",
        "ip_addresses": port["addresses"],
        "gateways": port["gateways"],
        "dns_servers": port["dns_servers"],
        "dns_domain": port["domain"] or "",
        "ntp_servers": port["ntp_servers"],
        "mtu": port["mtu"] or 0,
    }


def _port(adapter: Adapter, errors: Mapping[str, str], *, applied: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "logical_label": adapter.label,
        "port_addresses": {
            "interface_name": adapter.ifname,
            "pci_address": adapter.pci,
            "usb_address": adapter.usb,
        },
        "config_applied": applied,
        "mtu": adapter.mtu or 0,
        "config_source": _source(adapter),
        "error_message": errors.get(adapter.label, "")
        if applied or adapter.source.origin is Origin.LOCAL_PROFILE
        else "",
        "local_modifications_allowed": adapter.allow_local_changes,
        "ip_addresses": [str(address) for address in adapter.addresses],
        **_ip(adapter.ip),
    }
    if adapter.proxy is not None:
        found["proxy_config"] = _proxy(adapter.proxy)
    if adapter.wifi is not None:
        found |= {"wireless_device_type": WIFI, "wifi_config": _wifi(adapter.wifi)}
    if adapter.cellular is not None:
        found |= {"wireless_device_type": CELLULAR, "cellular_config": _cellular(adapter.cellular)}
    return found


def _ip(ip: IpSettings) -> dict[str, Any]:
    none = ip.gateway is not None and int(ip.gateway) == 0
    return {
        "ip_version": IP_VERSION.number(ip.family) or IP_VERSION.number("dual"),
        "use_dhcp": ip.mode is IpMode.DHCP,
        "gateways": [str(ip.gateway)] if ip.gateway is not None and not none else [],
        "without_default_route": none,
        "dns_servers": [str(server) for server in ip.dns],
        "dns_domain": ip.domain,
        "ntp_servers": list(ip.ntp),
        "dhcp_options_ignore": {
            "ntp_server_exclusively": ip.ignore.ntp,
            "ip_addresses_exclusively": ip.ignore.addresses,
            "dns_config_exclusively": ip.ignore.dns,
            "gateways_exclusively": ip.ignore.gateways,
        },
    }


def _source(adapter: Adapter) -> dict[str, Any]:
    found: dict[str, Any] = {"origin": ORIGINS.get(adapter.source.origin, 0)}
    if isinstance(at := adapter.source.submitted_at, datetime):
        found["submitted_at"] = {"seconds": int(at.timestamp())}
    return found


def _proxy(proxy: Proxy) -> dict[str, Any]:
    return {
        "networkProxyEnable": proxy.discover,
        "networkProxyURL": proxy.url,
        "pacfile": base64.b64encode(proxy.pac.encode()).decode(),
        "exceptions": ",".join(proxy.exceptions),
        "proxyCertPEM": [base64.b64encode(pem.encode()).decode() for pem in proxy.ca_pem],
        "proxies": [
            {"proto": PROXY_PROTOCOL.number(server.protocol), "server": server.server, "port": server.port}
            for server in proxy.servers
        ],
    }


def _wifi(wifi: Wifi) -> dict[str, Any]:
    first = wifi.networks[0] if wifi.networks else None
    return {"ssid": first.ssid, "key_scheme": WIFI_SCHEME.number(first.key_scheme)} if first is not None else {}


def _cellular(cellular: Cellular) -> dict[str, Any]:
    first = cellular.access_points[0] if cellular.access_points else None
    return {
        "apn": first.apn if first is not None else "",
        "activate_sim_slot": cellular.active_slot,
        "location_tracking": cellular.location_tracking,
        "probe": {"disable": cellular.probe_disabled},
    }
