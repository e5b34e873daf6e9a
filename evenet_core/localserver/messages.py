"""Messages of the local profile server, as protocol buffers (eve-api: profile/network.proto, local_profile.proto).

A message in evenet is a plain document under the names of the fields; numbers of enumerations stay numbers.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from evenet_core.errors import EvenetError

__all__ = ["decode", "encode"]

MESSAGES = {
    "Time": "seconds=1 int64, nanos=2 int32",
    "NetworkInfo": "latest_config=1 Port*, config_testing=2 Testing, is_using_fallback_config=3 bool,"
    " fallback_config=4 Port*, local_config=5 Local, port_status=6 PortStatus*",
    "Testing": "controller_reachable=1 bool, connectivity_error=2 string, last_test_time=3 Time,"
    " testing_in_progress=4 bool, testing_phase=5 string",
    "PortStatus": "logical_label=1 string, interface_name=2 string, link_up=3 bool, mac_address=4 string,"
    " ip_addresses=5 string*, gateways=6 string*, dns_servers=7 string*, dns_domain=8 string,"
    " ntp_servers=9 string*, mtu=10 uint32",
    "Local": "ports=1 Port*, error_message=2 string",
    "LocalNetworkConfig": "server_token=1 string, ports=2 Port*",
    "Addresses": "interface_name=1 string, pci_address=2 string, usb_address=3 string",
    "Port": "logical_label=1 string, port_addresses=2 Addresses, config_applied=3 bool, ip_version=4 int32,"
    " use_dhcp=5 bool, dhcp_options_ignore=6 Ignore, ip_addresses=7 string*, gateways=8 string*,"
    " without_default_route=9 bool, dns_servers=10 string*, dns_domain=11 string, ntp_servers=12 string*,"
    " mtu=13 uint32, proxy_config=14 Proxy, wireless_device_type=15 int32, cellular_config=16 Cellular,"
    " wifi_config=17 Wifi, config_source=18 Source, error_message=19 string, local_modifications_allowed=20 bool",
    "Ignore": "ntp_server_exclusively=1 bool, ip_addresses_exclusively=2 bool, dns_config_exclusively=3 bool,"
    " gateways_exclusively=4 bool",
    "Proxy": "networkProxyEnable=1 bool, proxies=2 ProxyServer*, exceptions=3 string, pacfile=4 string,"
    " networkProxyURL=5 string, proxyCertPEM=6 bytes*",
    "ProxyServer": "proto=1 int32, server=2 string, port=3 uint32",
    "Source": "origin=1 int32, submitted_at=2 Time",
    "Cellular": "apn=1 string, attach_apn=2 string, ip_type=3 int32, attach_ip_type=4 int32,"
    " activate_sim_slot=5 uint32, forbid_roaming=6 bool, default_bearer_auth=7 Auth, attach_bearer_auth=8 Auth,"
    " probe=9 CellularProbe, location_tracking=10 bool",
    "Auth": "auth_protocol=1 int32, username=2 string, password=3 string",
    "CellularProbe": "disable=1 bool, custom_probe=3 Probe",
    "Probe": "probe_method=1 int32, probe_endpoint=2 Endpoint",
    "Endpoint": "host=1 string, port=2 uint32",
    "Wifi": "ssid=1 string, key_scheme=2 int32, identity=3 string, password=4 string",
    "RadioStatus": "radio_silence=1 bool, config_error=2 string",
    "RadioConfig": "server_token=1 string, radio_silence=2 bool",
}
PACKAGE = "evenet.localserver"
_TYPES = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "string": FieldDescriptorProto.TYPE_STRING,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
}


def encode(name: str, document: dict[str, Any]) -> bytes:
    """
    :raises ValueError: the document has fields that the message has not.
    """
    try:
        return ParseDict(document, _classes()[name]()).SerializeToString()
    except ParseError as error:
        raise ValueError(str(error)) from error


def decode(name: str, data: bytes) -> dict[str, Any]:
    """Fields that are set. What a newer server says beyond is left out.

    :raises EvenetError: it is no such message.
    """
    message = _classes()[name]()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise EvenetError(f"the answer is no {name}: {error}") from error
    return MessageToDict(message, preserving_proto_field_name=True)


@cache
def _classes() -> dict[str, type[Message]]:
    file = FileDescriptorProto(name="localserver.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for words in fields.split(","):
            what, kind = words.split()
            field_name, number = what.split("=")
            repeated, kind = kind.endswith("*"), kind.rstrip("*")
            message.field.add(
                name=field_name,
                number=int(number),
                type=_TYPES.get(kind, FieldDescriptorProto.TYPE_MESSAGE),
                type_name=None if kind in _TYPES else f".{PACKAGE}.{kind}",
                label=FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL,
            )
    pool = DescriptorPool()
    pool.Add(file)
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in MESSAGES}
