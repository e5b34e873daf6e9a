"""What a network device's driver can be asked and told: its name, its offload features (ioctl SIOCETHTOOL).

Constants and layouts: include/uapi/linux/ethtool.h. Devices are those of the network namespace that we are in.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fcntl import ioctl
from fnmatch import fnmatchcase

__all__ = ["Feature", "driver_name", "features", "meant", "set_features"]

SIOCETHTOOL = 0x8946
GDRVINFO, GSTRINGS, GSSET_INFO, GFEATURES, SFEATURES = 0x03, 0x1B, 0x37, 0x3A, 0x3B
SS_FEATURES = 4  # the set of strings with the names of features
STRING = 32  # bytes of one
DRVINFO = 196  # bytes of struct ethtool_drvinfo

# what people say to ethtool(8), and the kernel's features that it means (ethtool.c: off_flag_def)
SHORT = {
    "rx": "rx-checksum",
    "tx": "tx-checksum-*",
    "sg": "tx-scatter-gather*",
    "tso": "tx-tcp*-segmentation",
    "gso": "tx-generic-segmentation",
    "gro": "rx-gro",
    "lro": "rx-lro",
    "rxvlan": "rx-vlan-hw-parse",
    "txvlan": "tx-vlan-hw-insert",
    "ntuple": "rx-ntuple-filter",
    "rxhash": "rx-hashing",
}

_IFREQ = struct.Struct("16sP16x")
_SSET_INFO = struct.Struct("=IIQI")
_GET_BLOCK = struct.Struct("=IIII")  # available, requested, active, never changed


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of one device."""

    changeable: bool
    requested: bool  # asked for; it may be off for lack of another one
    active: bool

    @property
    def on(self) -> bool:
        """Whether it is on, or would be if another one was."""
        return self.active or (self.changeable and self.requested)


def driver_name(ifname: str) -> str:
    """Name of the kernel driver of a device.

    :raises OSError: there is no such device, or its driver tells nothing.
    """
    answer = _ask(ifname, struct.pack("=I", GDRVINFO).ljust(DRVINFO, b"\0"))
    return _text(answer[4 : 4 + STRING])


def features(ifname: str) -> dict[str, Feature]:
    """Features of a device by the kernel's names, in the kernel's order.

    :raises OSError: there is no such device.
    """
    names = _names(ifname)
    blocks = -(-len(names) // 32)
    answer = _ask(ifname, struct.pack("=II", GFEATURES, blocks).ljust(8 + blocks * _GET_BLOCK.size, b"\0"))
    found: dict[str, Feature] = {}
    for place, name in enumerate(names):
        available, requested, active, _ = _GET_BLOCK.unpack_from(answer, 8 + place // 32 * _GET_BLOCK.size)
        bit = 1 << place % 32
        if name:
            found[name] = Feature(bool(available & bit), bool(requested & bit), bool(active & bit))
    return found


def meant(name: str, has: Mapping[str, Feature]) -> dict[str, Feature]:
    """What `name` stands for among the features of a device: itself, or what ethtool(8) understands by it."""
    pattern = SHORT.get(name)
    return {one: feature for one, feature in has.items() if (fnmatchcase(one, pattern) if pattern else one == name)}


def set_features(ifname: str, wanted: Mapping[str, bool]) -> None:
    """Ask for features, or ask for them to be off. What cannot be changed stays as it is, without an error.

    :raises OSError: there is no such device, or we may not.
    """
    names = _names(ifname)
    blocks = [0] * (-(-len(names) // 32) * 2)  # valid, requested
    for place, name in enumerate(names):
        if name in wanted:
            blocks[place // 32 * 2] |= 1 << place % 32
            blocks[place // 32 * 2 + 1] |= wanted[name] << place % 32
    _ask(ifname, struct.pack(f"=II{len(blocks)}I", SFEATURES, len(blocks) // 2, *blocks))


def _names(ifname: str) -> list[str]:
    answer = _ask(ifname, _SSET_INFO.pack(GSSET_INFO, 0, 1 << SS_FEATURES, 0))
    count = _SSET_INFO.unpack(answer)[3]  # the kernel writes that many, whatever the size of what it is given
    answer = _ask(ifname, struct.pack("=III", GSTRINGS, SS_FEATURES, count).ljust(12 + count * STRING, b"\0"))
    return [_text(answer[place : place + STRING]) for place in range(12, len(answer), STRING)]


def _ask(ifname: str, request: bytes) -> bytes:
    """One command; the kernel writes its answer over the request."""
    name = ifname.encode()
    if len(name) >= 16:  # the kernel would take the first 15 bytes for the name of another one
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    buffer = ctypes.create_string_buffer(request, len(request))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as opened:
        ioctl(opened, SIOCETHTOOL, _IFREQ.pack(name, ctypes.addressof(buffer)))
    return buffer.raw


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode(errors="replace")
