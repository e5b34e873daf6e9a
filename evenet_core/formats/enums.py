"""Enumerations of EVE's API by number and name (spec of formats, B.15), and what they are here."""

from __future__ import annotations

from evenet_core.model.instances import InstanceType
from evenet_core.model.networks import IpFamily, IpMode, ProbeMethod, ProxyProtocol, WifiKeyScheme
from evenet_core.model.ports import BondMode, LacpRate, PortKind, PortUse

_OTHER = PortKind.OTHER
IO_KINDS: dict[int | str, PortKind] = {
    0: _OTHER, "Noop": _OTHER, 1: PortKind.ETHERNET, "NetEth": PortKind.ETHERNET,
    2: _OTHER, "USB": _OTHER, 3: _OTHER, "COM": _OTHER, 4: _OTHER, "Audio": _OTHER,
    5: PortKind.WIFI, "NetWLAN": PortKind.WIFI, 6: PortKind.CELLULAR, "NetWWAN": PortKind.CELLULAR,
    7: _OTHER, "HDMI": _OTHER, 9: _OTHER, "NVMEStorage": _OTHER, 10: _OTHER, "SATAStorage": _OTHER,
    11: PortKind.ETHERNET, "NetEthPF": PortKind.ETHERNET, 12: PortKind.ETHERNET, "NetEthVF": PortKind.ETHERNET,
    13: _OTHER, "USBController": _OTHER, 14: _OTHER, "USBDevice": _OTHER, 15: _OTHER, "CAN": _OTHER,
    16: _OTHER, "VCAN": _OTHER, 17: _OTHER, "LCAN": _OTHER, 255: _OTHER, "Other": _OTHER,
}  # fmt: skip
IO_USES: dict[int | str, PortUse] = {
    0: PortUse.NONE, "None": PortUse.NONE,
    1: PortUse.MANAGEMENT_AND_APPS, "MgmtAndApps": PortUse.MANAGEMENT_AND_APPS,
    2: PortUse.APPS, "Shared": PortUse.APPS, 3: PortUse.DEDICATED, "Dedicated": PortUse.DEDICATED,
    4: PortUse.DISABLED, "Disabled": PortUse.DISABLED, 5: PortUse.MANAGEMENT, "MgmtOnly": PortUse.MANAGEMENT,
}  # fmt: skip
BOND_MODES: dict[int | str, BondMode] = {
    0: BondMode.BALANCE_RR, "UNSPECIFIED": BondMode.BALANCE_RR, 1: BondMode.BALANCE_RR, "BALANCE_RR": BondMode.BALANCE_RR,
    2: BondMode.ACTIVE_BACKUP, "ACTIVE_BACKUP": BondMode.ACTIVE_BACKUP, 3: BondMode.BALANCE_XOR, "BALANCE_XOR": BondMode.BALANCE_XOR,
    4: BondMode.BROADCAST, "BROADCAST": BondMode.BROADCAST, 5: BondMode.LACP, "802_3AD": BondMode.LACP,
    6: BondMode.BALANCE_TLB, "BALANCE_TLB": BondMode.BALANCE_TLB, 7: BondMode.BALANCE_ALB, "BALANCE_ALB": BondMode.BALANCE_ALB,
}  # fmt: skip
LACP_RATES: dict[int | str, LacpRate] = {
    0: LacpRate.SLOW, "UNSPECIFIED": LacpRate.SLOW, 1: LacpRate.SLOW, "SLOW": LacpRate.SLOW, 2: LacpRate.FAST, "FAST": LacpRate.FAST,
}  # fmt: skip
# 4 and 6 come from the time before IPv4-only and IPv6-only networks: both are dual stack
NETWORK_FAMILIES: dict[int | str, IpFamily] = {
    0: IpFamily.DUAL, "NOOP": IpFamily.DUAL, 4: IpFamily.DUAL, "V4": IpFamily.DUAL,
    6: IpFamily.DUAL_PREFER_IPV6, "V6": IpFamily.DUAL_PREFER_IPV6, 7: IpFamily.IPV4, "V4Only": IpFamily.IPV4,
    8: IpFamily.IPV6, "V6Only": IpFamily.IPV6, 9: IpFamily.DUAL, "DualV4V6": IpFamily.DUAL,
    14: IpFamily.DUAL, "CryptoEID": IpFamily.DUAL, 24: IpFamily.DUAL, "CryptoV4": IpFamily.DUAL,
    26: IpFamily.DUAL, "CryptoV6": IpFamily.DUAL,
}  # fmt: skip
DHCP_TYPES: dict[int | str, IpMode] = {
    0: IpMode.NONE, "DHCPNoop": IpMode.NONE, 1: IpMode.STATIC, "Static": IpMode.STATIC,
    2: IpMode.NONE, "DHCPNone": IpMode.NONE, 4: IpMode.DHCP, "Client": IpMode.DHCP,
}  # fmt: skip
INSTANCE_TYPES: dict[int | str, InstanceType] = {
    1: InstanceType.SWITCH, "Switch": InstanceType.SWITCH, 2: InstanceType.LOCAL, "Local": InstanceType.LOCAL,
}  # fmt: skip
PROXY_PROTOCOLS: dict[int | str, ProxyProtocol] = {
    0: ProxyProtocol.HTTP, "HTTP": ProxyProtocol.HTTP, 1: ProxyProtocol.HTTPS, "HTTPS": ProxyProtocol.HTTPS,
    2: ProxyProtocol.SOCKS, "SOCKS": ProxyProtocol.SOCKS, 3: ProxyProtocol.FTP, "FTP": ProxyProtocol.FTP,
    255: ProxyProtocol.OTHER, "OTHER": ProxyProtocol.OTHER,
}  # fmt: skip
WIFI_SCHEMES: dict[int | str, WifiKeyScheme] = {
    0: WifiKeyScheme.NONE, "SchemeNOOP": WifiKeyScheme.NONE, 1: WifiKeyScheme.WPA_PSK, "WPAPSK": WifiKeyScheme.WPA_PSK,
    2: WifiKeyScheme.WPA_EAP, "WPAEAP": WifiKeyScheme.WPA_EAP,
}  # fmt: skip
PROBE_METHODS: dict[int | str, ProbeMethod] = {
    0: ProbeMethod.NONE, "UNSPECIFIED": ProbeMethod.NONE, 1: ProbeMethod.ICMP, "ICMP": ProbeMethod.ICMP,
    2: ProbeMethod.TCP, "TCP": ProbeMethod.TCP,
}  # fmt: skip
CELLULAR_IP: dict[int | str, str] = {
    0: "", "UNSPECIFIED": "", 1: "ipv4", "IPV4": "ipv4", 2: "ipv4v6", "IPV4_AND_IPV6": "ipv4v6", 3: "ipv6", "IPV6": "ipv6",
}  # fmt: skip
CELLULAR_AUTH: dict[int | str, str] = {
    0: "none", "NONE": "none", 1: "pap", "PAP": "pap", 2: "chap", "CHAP": "chap", 3: "pap-and-chap", "PAP_AND_CHAP": "pap-and-chap",
}  # fmt: skip
RADIO_TECHNOLOGIES: dict[int | str, str] = {
    0: "", 1: "gsm", "GSM": "gsm", 2: "umts", "UMTS": "umts", 3: "lte", "LTE": "lte", 4: "5gnr", "5GNR": "5gnr",
}  # fmt: skip
ACL_DIRECTIONS: dict[int | str, str] = {
    0: "both", "BOTH": "both", 1: "ingress", "INGRESS": "ingress", 2: "egress", "EGRESS": "egress",
}  # fmt: skip
ADDRESS_TYPES: dict[int | str, IpFamily] = {
    0: IpFamily.IPV4, "First": IpFamily.IPV4, 1: IpFamily.IPV4, "IPV4": IpFamily.IPV4, 2: IpFamily.IPV6, "IPV6": IpFamily.IPV6,
}  # fmt: skip
