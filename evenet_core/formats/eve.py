"""EVE's device config (EdgeDevConfig as protobuf JSON) as evenet's own. Problems keep the file's own paths.

Lists keep their order and length, so that what is found wrong later can be told in the words of the file
(`EVE_PATHS`).
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from evenet_core.formats.enums import (
    ACL_DIRECTIONS,
    ADDRESS_TYPES,
    BOND_MODES,
    CELLULAR_AUTH,
    CELLULAR_IP,
    DHCP_TYPES,
    INSTANCE_TYPES,
    IO_KINDS,
    IO_USES,
    LACP_RATES,
    NETWORK_FAMILIES,
    PROBE_METHODS,
    PROXY_PROTOCOLS,
    RADIO_TECHNOLOGIES,
    WIFI_SCHEMES,
)
from evenet_core.formats.fields import Fields, Problems
from evenet_core.model.adapters import SystemAdapter
from evenet_core.model.config import DeviceConfig, Enrolment, Owner, PortAccess
from evenet_core.model.instances import (
    AccessPort,
    AclRule,
    App,
    AppInterface,
    InstanceType,
    NetworkInstance,
    PassthroughAdapter,
    PortForward,
    RateLimit,
    RuleAction,
    StaticRoute,
)
from evenet_core.model.networks import (
    AccessPoint,
    Cellular,
    IgnoreDhcp,
    IpFamily,
    IpMode,
    IpSettings,
    Network,
    Probe,
    ProbeMethod,
    Proxy,
    ProxyProtocol,
    ProxyServer,
    RouteProbe,
    StaticHost,
    Wifi,
    WifiKeyScheme,
    WifiNetwork,
)
from evenet_core.model.ports import (
    ArpMonitor,
    Bond,
    BondMode,
    LacpRate,
    MiiMonitor,
    Port,
    PortKind,
    PortUse,
    VirtualFunction,
    Vlan,
)
from evenet_core.model.values import DhcpRange

__all__ = ["EVE_PATHS", "looks_like_eve", "read_eve"]

# words of evenet's own paths -> words of EVE's; a field that is not here has the same name
EVE_PATHS = {
    "ports": "deviceIoList",
    "adapters": "systemAdapterList",
    "network_instances": "networkInstances",
    "port_access": "pnacs",
    "enrolments": "scepProfiles",
    "settings": "configItems",
    "label": "logicallabel",
    "lower": "lowerLayerName",
    "network": "networkUUID",
    "network_instance": "networkId",
    "interface": "phyaddrs.Ifname",
    "id": "vlanId",
    "address": "addr",
    "rules": "acls",
    "routes": "staticRoutes",
    "dhcp_range": "ip.dhcpRange",
    "subnet": "ip.subnet",
    "gateway": "ip.gateway",
    "labels": "sharedLabels",
    "mac": "macAddress",
    "access_vlan": "accessVlanId",
    "access_ports": "vlanAccessPorts",
    "uuid": "uuidandversion.uuid",
    "name": "displayname",
    "order": "interfaceOrder",
}

UNITS = {
    "s": "second",
    "second": "second",
    "m": "minute",
    "minute": "minute",
    "h": "hour",
    "hour": "hour",
    "day": "day",
}
_ANYWHERE = ip_network("0.0.0.0/0")
_MATCHES = ("ip", "host", "eidset", "protocol", "lport", "fport", "adapter")
_SIGNS = ("deviceiolist", "systemadapterlist", "networkinstances", "configitems", "deviceio", "apps", "networks")


def looks_like_eve(document: dict[str, Any]) -> bool:
    """Whether these are the fields of a device config of EVE."""
    names = {name.replace("_", "").lower() for name in document}
    return "evenet" not in names and any(sign in names for sign in _SIGNS)


def read_eve(document: dict[str, Any], problems: Problems) -> DeviceConfig:
    """The device config; what is wrong with it is in `problems`."""
    top = Fields(document, "", problems)
    adapters = top.children("systemAdapterList")
    uplinks = [adapter.flag("uplink") for adapter in adapters]
    return DeviceConfig(
        owner=_owner(top),
        timestamp=top.time("configTimestamp"),
        ports=tuple(_port(port) for port in top.children("deviceIoList")),
        vlans=tuple(_vlan(vlan) for vlan in top.children("vlans")),
        bonds=tuple(_bond(bond) for bond in top.children("bonds")),
        networks=tuple(_network(network) for network in top.children("networks")),
        # without a single uplink the first version of the format is meant: all are
        adapters=tuple(_adapter(a, uplink=up or not any(uplinks)) for a, up in zip(adapters, uplinks, strict=True)),
        network_instances=tuple(_instance(i) for i in top.children("networkInstances")),
        apps=tuple(_app(app) for app in top.children("apps")),
        port_access=tuple(_port_access(access) for access in top.children("pnacs")),
        enrolments=tuple(_enrolment(profile) for profile in top.children("scepProfiles")),
        settings={item.text("key", "?", 128): _setting(item) for item in top.children("configItems")},
        other=top.rest(),
    )


def _setting(item: Fields) -> str:
    value = item.raw("value")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else item.text("value")


def _owner(top: Fields) -> Owner:
    return Owner(
        device_uuid=top.child("id").text("uuid", longest=64),
        device_name=top.text("deviceName"),
        project_uuid=top.text("projectId"),
        project_name=top.text("projectName"),
        enterprise_uuid=top.text("enterpriseId"),
        enterprise_name=top.text("enterpriseName"),
    )


def _port(io: Fields) -> Port:
    addresses = io.child("phyaddrs")
    label = io.text("logicallabel", longest=128) or io.text("phylabel", longest=128)
    io.child("usagePolicy").raw("freeUplink")  # cost says it today
    kind = io.choice("ptype", IO_KINDS, PortKind.OTHER, "PhyIo")
    return Port(
        label=label,
        kind=kind,
        interface=addresses.text("ifname", longest=15),
        pci=addresses.text("pcilong", longest=32),
        usb=addresses.text("usbaddr", longest=64),
        printed_label=io.text("phylabel", longest=128),
        use=io.choice("usage", IO_USES, PortUse.NONE, "PhyIoUsage"),
        group=io.text("assigngrp", longest=128),
        parent_group=io.text("parentassigngrp", longest=128),
        virtual_functions=tuple(
            VirtualFunction(index=f.within("index", 0, 255), mac=f.text("mac"), vlan=f.within("vlanId", 0, 4094))
            for f in io.child("vflist").children("data")
        ),
        attributes=_attributes(io.raw("cbattr")),
    )


def _attributes(given: Any) -> dict[str, str] | None:
    return {str(name): str(value) for name, value in given.items()} if isinstance(given, dict) else None


def _vlan(vlan: Fields) -> Vlan:
    return Vlan(
        label=vlan.text("logicallabel", longest=128),
        interface=vlan.text("interfaceName", longest=15),
        lower=vlan.text("lowerLayerName", longest=128),
        id=vlan.within("vlanId", 1, 4094),
    )


def _bond(bond: Fields) -> Bond:
    mii, arp = bond.child("mii"), bond.child("arp")
    return Bond(
        label=bond.text("logicallabel", longest=128),
        interface=bond.text("interfaceName", longest=15),
        lower=bond.texts("lowerLayerNames", 128),
        mode=bond.choice("bondMode", BOND_MODES, BondMode.BALANCE_RR, "BOND_MODE_"),
        lacp_rate=bond.choice("lacpRate", LACP_RATES, LacpRate.SLOW, "LACP_RATE_"),
        mii=MiiMonitor(
            interval=mii.within("interval", 0, 3_600_000),
            up_delay=mii.within("updelay", 0, 3_600_000),
            down_delay=mii.within("downdelay", 0, 3_600_000),
        )
        if bond.has("mii")
        else None,
        arp=ArpMonitor(interval=arp.within("interval", 0, 3_600_000), targets=arp.addresses("ipTargets"))
        if bond.has("arp")
        else None,
    )


def _network(network: Fields) -> Network:
    wireless = network.child("wireless")
    return Network(
        name=network.text("id", longest=128),
        ip=_ip(network.child("ip"), network.choice("type", NETWORK_FAMILIES, IpFamily.DUAL, "NETWORKTYPE")),
        mtu=network.within("mtu", 1280, 65535) or None,
        hosts=tuple(_host(host) for host in network.children("dns")),
        proxy=_proxy(network.child("entProxy")) if network.has("entProxy") else None,
        wifi=Wifi(networks=tuple(map(_wifi, wireless.children("wifiCfg")))) if wireless.has("wifiCfg") else None,
        cellular=next(map(_cellular, wireless.children("cellularCfg")), None),
    )


def _ip(ip: Fields, family: IpFamily) -> IpSettings:
    """A static network without DNS servers asks its gateway."""
    mode, gateway = ip.choice("dhcp", DHCP_TYPES, IpMode.NONE), ip.address("gateway")
    ignore = ip.child("dhcpOptionsIgnore")
    dns = ip.addresses("dns")
    if mode is IpMode.STATIC and not dns and gateway is not None and not gateway.is_unspecified:
        dns = (gateway,)
    return IpSettings(
        mode=mode,
        family=family,
        subnet=ip.network("subnet"),
        gateway=gateway,
        domain=ip.text("domain", longest=253),
        dns=dns,
        ntp=tuple(server for server in (ip.text("ntp", longest=253), *ip.texts("moreNtp", 253)) if server),
        dhcp_range=_dhcp_range(ip.child("dhcpRange")),
        ignore=IgnoreDhcp(
            ntp=ignore.flag("ntpServerExclusively"),
            addresses=ignore.flag("ipAddressesExclusively"),
            dns=ignore.flag("dnsConfigExclusively"),
            gateways=ignore.flag("gatewaysExclusively"),
        ),
    )


def _dhcp_range(given: Fields) -> DhcpRange | None:
    start, end = given.address("start"), given.address("end")
    if start is None and end is None:
        return None
    if start is None or end is None:
        given.problems.add(given.path, "has only one end", "write start and end")
        return None
    return DhcpRange(start=start, end=end)


def _host(host: Fields) -> StaticHost:
    return StaticHost(name=host.text("HostName", "?", 253), addresses=host.addresses("Address"))


def _proxy(proxy: Fields) -> Proxy:
    return Proxy(
        discover=proxy.flag("networkProxyEnable"),
        url=proxy.text("networkProxyURL"),
        pac=proxy.long_text("pacfile"),
        servers=tuple(
            ProxyServer(
                protocol=server.choice("proto", PROXY_PROTOCOLS, ProxyProtocol.HTTP, "PROXY_"),
                server=server.text("server", longest=512),
                port=server.within("port", 0, 65535) or 80,
            )
            for server in proxy.children("proxies")
        ),
        exceptions=tuple(part.strip() for part in proxy.text("exceptions").split(",") if part.strip()),
        ca_pem=proxy.texts("proxyCertPEM", 1 << 20),
    )


def _wifi(wifi: Fields) -> WifiNetwork:
    crypto = wifi.child("crypto")
    return WifiNetwork(
        ssid=wifi.text("wifiSSID", "?", 32),
        key_scheme=wifi.choice("keyScheme", WIFI_SCHEMES, WifiKeyScheme.NONE),
        identity=wifi.text("identity") or crypto.text("identity"),
        password=wifi.secret("password") or crypto.secret("password"),
        priority=wifi.integer("priority"),
        cipher_data=wifi.raw("cipherData") if isinstance(wifi.raw("cipherData"), dict) else None,
    )


def _cellular(cellular: Fields) -> Cellular:
    probe = cellular.child("probe")
    points = cellular.children("accessPoints")
    plain = (AccessPoint(apn=cellular.text("APN", "internet")),) if not points else ()
    return Cellular(
        access_points=plain or tuple(_access_point(point) for point in points),
        active_slot=cellular.within("activatedSimSlot", 0, 16),
        probe=_probe(probe.child("customProbe")),
        probe_disabled=probe.flag("disable"),
        location_tracking=cellular.flag("locationTracking"),
    )


def _access_point(point: Fields) -> AccessPoint:
    rats = [Fields({"rat": value}, point.path, point.problems) for value in point.raw("preferredRats") or ()]
    return AccessPoint(
        slot=point.within("simSlot", 0, 16),
        apn=point.text("apn", "internet"),
        ip_type=point.choice("ipType", CELLULAR_IP, ""),
        auth=point.choice("authProtocol", CELLULAR_AUTH, "none"),
        cipher_data=point.raw("cipherData") if isinstance(point.raw("cipherData"), dict) else None,
        preferred_plmns=point.texts("preferredPlmns", 16),
        preferred_rats=tuple(rat.choice("rat", RADIO_TECHNOLOGIES, "") for rat in rats),
        forbid_roaming=point.flag("forbidRoaming"),
        attach_apn=point.text("attachApn"),
        attach_ip_type=point.choice("attachIpType", CELLULAR_IP, ""),
        attach_auth=point.choice("attachAuthProtocol", CELLULAR_AUTH, "none"),
    )


def _adapter(adapter: Fields, *, uplink: bool) -> SystemAdapter:
    adapter.raw("freeUplink")  # cost says it today
    return SystemAdapter(
        label=adapter.text("name", longest=128),
        lower=adapter.text("lowerLayerName", longest=128),
        network=adapter.text("networkUUID", longest=128) or None,
        uplink=uplink,
        address=adapter.address("addr"),
        alias=adapter.text("alias"),
        cost=adapter.within("cost", 0, 255),
        labels=adapter.texts("sharedLabels", 128),
        allow_local_changes=adapter.flag("allowLocalModifications"),
    )


def _instance(instance: Fields) -> NetworkInstance:
    ip = instance.child("ip")
    stp = instance.child("stp")
    settings = _ip(ip, IpFamily.DUAL)
    instance.raw("cfg")
    return NetworkInstance(
        name=instance.text("displayname", "?", 128),
        uuid=instance.child("uuidandversion").text("uuid", longest=64),
        type=instance.choice("instType", INSTANCE_TYPES, InstanceType.LOCAL, "ZnetInst"),
        active=instance.flag("activate"),
        port=instance.child("port").text("name", longest=128),
        family=instance.choice("ipType", ADDRESS_TYPES, IpFamily.IPV4),
        subnet=settings.subnet,
        gateway=settings.gateway,
        dhcp_range=settings.dhcp_range,
        domain=settings.domain,
        dns=ip.addresses("dns"),
        ntp=settings.ntp,
        hosts=tuple(_host(host) for host in instance.children("dns")),
        propagate_connected_routes=instance.flag("propagateConnectedRoutes"),
        routes=tuple(_route(route) for route in instance.children("staticRoutes")),
        mtu=instance.within("mtu", 1280, 65535) or None,
        flow_log=not instance.flag("disableFlowlog"),
        bpdu_guard_ports=stp.text("portsWithBpduGuard", longest=128),
        access_ports=tuple(
            AccessPort(vlan=port.within("vlanId", 1, 4094), port=port.text("accessPort", "?", 128))
            for port in instance.children("vlanAccessPorts")
        ),
        forward_lldp=instance.flag("forwardLldp"),
    )


def _route(route: Fields) -> StaticRoute:
    probe = route.child("probe")
    destination = route.network("destinationNetwork")
    if destination is None:
        if not route.has("destinationNetwork"):
            route.problems.add(route.at("destinationNetwork"), "is missing", "write a subnet such as 10.1.0.0/24")
        destination = _ANYWHERE
    return StaticRoute(
        destination=destination,
        gateway=route.address("gateway"),
        port=route.text("port", longest=128),
        probe=RouteProbe(
            gateway_ping=probe.flag("enableGwPing"),
            gateway_ping_max_cost=probe.within("gwPingMaxCost", 0, 255),
            custom=_probe(probe.child("customProbe")),
        ),
        prefer_lower_cost=route.flag("preferLowerCost"),
        prefer_stronger_signal=route.flag("preferStrongerWwanSignal"),
    )


def _probe(probe: Fields) -> Probe | None:
    method = probe.choice("probeMethod", PROBE_METHODS, ProbeMethod.NONE, "CONNECTIVITY_PROBE_METHOD_")
    if method is ProbeMethod.NONE:
        return None
    endpoint = probe.child("probeEndpoint")
    return Probe(method=method, host=endpoint.text("host", longest=253), port=endpoint.within("port", 0, 65535))


def _app(app: Fields) -> App:
    resources = app.child("fixedresources")
    return App(
        name=app.text("displayname", "?", 128),
        uuid=app.child("uuidandversion").text("uuid", longest=64),
        active=app.flag("activate"),
        interfaces=tuple(_interface(interface) for interface in app.children("interfaces")),
        adapters=tuple(
            PassthroughAdapter(
                name=adapter.text("name", "?", 128),
                kind=adapter.integer("type") if isinstance(adapter.raw("type"), int) else 0,
                order=adapter.integer("interfaceOrder"),
                virtual_function=adapter.raw("ethVf") if isinstance(adapter.raw("ethVf"), dict) else None,
            )
            for adapter in app.children("adapters")
        ),
        enforce_interface_order=resources.flag("enforceNetworkInterfaceOrder"),
        metadata_type=app.integer("metaDataType") if isinstance(app.raw("metaDataType"), int) else 0,
        stats_address=app.address("collectStatsIPAddr"),
        restart_counter=app.child("restart").integer("counter"),
        purge_counter=app.child("purge").integer("counter"),
        other=app.rest(),
    )


def _interface(interface: Fields) -> AppInterface:
    return AppInterface(
        name=interface.text("name", "?", 128),
        network_instance=interface.text("networkId", "?", 128),
        address=interface.address("addr"),
        mac=interface.text("macAddress", longest=17).lower(),
        rules=tuple(_rule(rule) for rule in interface.children("acls")),
        access_vlan=interface.within("accessVlanId", 0, 4094),
        allow_discovery=interface.flag("allowToDiscover"),
        order=interface.integer("interfaceOrder"),
    )


def _rule(rule: Fields) -> AclRule:
    matches: dict[str, Fields] = {}
    for match in rule.children("matches"):
        kind = match.text("type", longest=16).lower()
        if kind in matches:
            match.problems.add(match.at("type"), f"a second match of type {kind}", "write another rule")
        elif kind not in _MATCHES:
            match.problems.add(match.at("type"), f"{kind or 'nothing'} is not known", f"one of {', '.join(_MATCHES)}")
        matches[kind] = match
    actions = rule.children("actions")
    if len(actions) > 1:
        rule.problems.add(rule.at("actions"), "more than one action", "write another rule")
    action = actions[0] if actions else Fields({}, rule.path, rule.problems)
    empty = Fields({}, rule.path, rule.problems)
    limit = _limit(action) if action.flag("limit") else None
    return AclRule(
        id=rule.within("id", 0, 2**31 - 1),
        name=rule.text("name"),
        direction=rule.choice("dir", ACL_DIRECTIONS, "both"),
        remote=matches.get("ip", empty).network("value"),
        host=matches.get("host", empty).text("value", longest=253),
        instance_members="eidset" in matches,
        protocol=matches.get("protocol", empty).text("value", longest=32).lower(),
        local_port=matches.get("lport", empty).within("value", 1, 65535) or None,
        remote_port=matches.get("fport", empty).within("value", 1, 65535) or None,
        adapter=matches.get("adapter", empty).text("value", longest=128),
        action=RuleAction.DROP if action.flag("drop") else RuleAction.ALLOW,
        limit=limit,
        forward=PortForward(app_port=action.within("appPort", 1, 65535)) if action.flag("portmap") else None,
    )


def _limit(action: Fields) -> RateLimit:
    unit = action.text("limitunit", "second", 16).lower()
    if unit not in UNITS:
        action.problems.add(action.at("limitunit"), f"{unit} is not known", "one of second, minute, hour, day")
    return RateLimit(
        rate=max(1, action.within("limitrate", 1, 2**31)),
        unit=UNITS.get(unit, "second"),
        burst=action.within("limitburst", 0, 2**31),
    )


def _port_access(access: Fields) -> PortAccess:
    return PortAccess(
        port=access.text("logicallabel", "?", 128),
        identity=access.text("eapIdentity"),
        enrolment=access.text("certEnrollmentProfileName", longest=128),
    )


def _enrolment(profile: Fields) -> Enrolment:
    cipher, request = profile.raw("scepChallengePassword"), profile.raw("csrProfile")
    return Enrolment(
        name=profile.text("profileName", "?", 128),
        url=profile.text("scepUrl"),
        use_controller_proxy=profile.flag("useControllerProxy"),
        cipher_data=cipher if isinstance(cipher, dict) else None,
        ca_pem=profile.texts("caCertPem", 1 << 20),
        request=request if isinstance(request, dict) else {},
    )
