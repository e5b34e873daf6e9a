"""Enumerations of EVE's API, and what their members are here."""

from __future__ import annotations

from evenet_core.formats.convert import Enumeration

__all__ = [
    "ACL_DIRECTION",
    "ADDRESS_TYPE",
    "BOND_MODE",
    "CELLULAR_AUTH",
    "CELLULAR_IP",
    "DHCP_TYPE",
    "EAP_METHOD",
    "INSTANCE_TYPE",
    "IO_TYPE",
    "IO_USAGE",
    "LACP_RATE",
    "NETWORK_TYPE",
    "PROBE_METHOD",
    "PROXY_PROTOCOL",
    "RADIO_TECHNOLOGY",
    "WIFI_SCHEME",
]

IO_TYPE = Enumeration(
    "PhyIo",
    {
        0: ("Noop", "other"),
        1: ("NetEth", "ethernet"),
        2: ("USB", "other"),
        3: ("COM", "other"),
        4: ("Audio", "other"),
        5: ("NetWLAN", "wifi"),
        6: ("NetWWAN", "cellular"),
        7: ("HDMI", "other"),
        9: ("NVMEStorage", "other"),
        10: ("SATAStorage", "other"),
        11: ("NetEthPF", "ethernet"),
        12: ("NetEthVF", "ethernet"),
        13: ("USBController", "other"),
        14: ("USBDevice", "other"),
        15: ("CAN", "other"),
        16: ("VCAN", "other"),
        17: ("LCAN", "other"),
        255: ("Other", "other"),
    },
)
IO_USAGE = Enumeration(
    "PhyIoUsage",
    {
        0: ("None", "none"),
        1: ("MgmtAndApps", "management-and-apps"),
        2: ("Shared", "apps"),
        3: ("Dedicated", "dedicated"),
        4: ("Disabled", "disabled"),
        5: ("MgmtOnly", "management"),
    },
)
BOND_MODE = Enumeration(
    "BOND_MODE_",
    {
        0: ("UNSPECIFIED", "balance-rr"),
        1: ("BALANCE_RR", "balance-rr"),
        2: ("ACTIVE_BACKUP", "active-backup"),
        3: ("BALANCE_XOR", "balance-xor"),
        4: ("BROADCAST", "broadcast"),
        5: ("802_3AD", "802.3ad"),
        6: ("BALANCE_TLB", "balance-tlb"),
        7: ("BALANCE_ALB", "balance-alb"),
    },
)
LACP_RATE = Enumeration("LACP_RATE_", {0: ("UNSPECIFIED", "slow"), 1: ("SLOW", "slow"), 2: ("FAST", "fast")})
# 4 and 6 come from the time before there were networks of one IP version: both are dual stack
NETWORK_TYPE = Enumeration(
    "NETWORKTYPE",
    {
        0: ("NOOP", "dual"),
        4: ("V4", "dual"),
        6: ("V6", "dual-prefer-ipv6"),
        7: ("V4Only", "ipv4"),
        8: ("V6Only", "ipv6"),
        9: ("DualV4V6", "dual"),
    },
)
DHCP_TYPE = Enumeration(
    "DHCP", {0: ("Noop", "none"), 1: ("Static", "static"), 2: ("None", "none"), 4: ("Client", "dhcp")}
)
INSTANCE_TYPE = Enumeration("ZnetInst", {1: ("Switch", "switch"), 2: ("Local", "local")})
ADDRESS_TYPE = Enumeration("", {0: ("First", None), 1: ("IPV4", "ipv4"), 2: ("IPV6", "ipv6")})
PROXY_PROTOCOL = Enumeration(
    "PROXY_",
    {0: ("HTTP", "http"), 1: ("HTTPS", "https"), 2: ("SOCKS", "socks"), 3: ("FTP", "ftp"), 255: ("OTHER", "other")},
)
WIFI_SCHEME = Enumeration("", {0: ("SchemeNOOP", "none"), 1: ("WPAPSK", "wpa-psk"), 2: ("WPAEAP", "wpa-eap")})
PROBE_METHOD = Enumeration(
    "CONNECTIVITY_PROBE_METHOD_", {0: ("UNSPECIFIED", "none"), 1: ("ICMP", "icmp"), 2: ("TCP", "tcp")}
)
CELLULAR_IP = Enumeration(
    "CELLULAR_IP_TYPE_",
    {0: ("UNSPECIFIED", None), 1: ("IPV4", "ipv4"), 2: ("IPV4_AND_IPV6", "ipv4v6"), 3: ("IPV6", "ipv6")},
)
CELLULAR_AUTH = Enumeration(
    "CELLULAR_AUTH_PROTOCOL_",
    {0: ("NONE", "none"), 1: ("PAP", "pap"), 2: ("CHAP", "chap"), 3: ("PAP_AND_CHAP", "pap-and-chap")},
)
RADIO_TECHNOLOGY = Enumeration(
    "RADIO_ACCESS_TECHNOLOGY_", {1: ("GSM", "gsm"), 2: ("UMTS", "umts"), 3: ("LTE", "lte"), 4: ("5GNR", "5gnr")}
)
ACL_DIRECTION = Enumeration("", {0: ("BOTH", "both"), 1: ("INGRESS", "ingress"), 2: ("EGRESS", "egress")})
EAP_METHOD = Enumeration("EAP_METHOD_", {0: ("UNSPECIFIED", None), 1: ("TLS", "tls")})
