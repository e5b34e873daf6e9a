"""What udev and sysfs say about network devices, and udev's word that it has looked at one (by pyudev).

Neither need be there. Without udevd a device has only what the kernel says (DEVPATH, DEVTYPE); without libudev, or
inside a network namespace whose /sys shows another one's devices, nothing is known. What udev copies from hardware
is written by whoever made the hardware: it is bounded and must be plain text.
"""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator
from itertools import islice
from types import MappingProxyType
from typing import Any

from evenet_core.linux.links import LinkInfo

__all__ = ["NOTHING", "Udev", "kept"]

NOTHING: MappingProxyType[str, str] = MappingProxyType({})
MOST = 128  # properties of one device; a NIC has about 40
LONGEST = 512  # characters of a value
BURST = 256  # events that are read at one go
BUFFER = 1 << 20  # bytes
VIRTUAL = "/devices/virtual/"
_NAME = re.compile(r"(?:DEVPATH|DEVTYPE|IFINDEX|ID_[A-Z0-9_]{1,60})\Z", re.ASCII)
_OF_THE_NAME = {"ID_NET_NAME", "ID_NET_LINK_FILE", "ID_RENAMING"}  # change when a port becomes `k<name>`
log = logging.getLogger(__name__)


class Udev:
    """Descriptions of devices, and events. Nothing blocks, nothing needs a thread."""

    def __init__(self) -> None:
        self._monitor: Any = None
        try:
            import pyudev  # noqa: PLC0415  2 MB; and it looks for libudev

            self._pyudev = pyudev
            self._context = pyudev.Context()
            self._monitor = _started(pyudev.Monitor.from_netlink(self._context))
        except (ImportError, OSError) as error:
            log.warning("udev tells nothing about hardware here: %s", error)

    def fileno(self) -> int | None:
        """Becomes readable with an event; None = there are none."""
        return None if self._monitor is None else int(self._monitor.fileno())

    def events(self) -> set[int] | None:
        """Indexes of the devices that udev has dealt with since the last call; None = some were missed."""
        found: set[int] = set()
        for _ in range(BURST):
            try:
                device = self._monitor.poll(0)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                return None
            if device is None:
                break
            index = kept(device.properties).get("IFINDEX", "")
            if index.isdecimal():
                found.add(int(index))
        return found

    def properties(self, link: LinkInfo) -> MappingProxyType[str, str]:
        """What is known about the device that netlink calls `link`. Its own name is in none of it."""
        if self._monitor is None:
            return NOTHING
        try:
            device = self._pyudev.Devices.from_name(self._context, "net", link.name)
            found = kept(device.properties)
            mac = device.attributes.get("address", b"")
        except (self._pyudev.DeviceNotFoundError, OSError, ValueError):
            return NOTHING
        if found.pop("IFINDEX", "") != str(link.index) or mac != link.mac.encode():
            return NOTHING  # it only has the same name, in another network namespace
        path = found.pop("DEVPATH", "")
        if path.startswith(VIRTUAL):  # no hardware; udev's database may be about another namespace's device
            found = {name: value for name, value in found.items() if not name.startswith("ID_")}
        if path:
            found["DEVPATH"] = path.rpartition("/")[0]
        return MappingProxyType(found)


def kept(properties: Any) -> dict[str, str]:
    """The properties that are of use and within bounds."""
    return dict(islice(_good(properties), MOST))


def _good(properties: Any) -> Iterator[tuple[str, str]]:
    names = iter(properties)
    for _ in range(MOST * 4):
        try:
            name = next(names)
            value = properties[name]
        except StopIteration:
            return
        except (UnicodeDecodeError, KeyError):
            continue
        if _NAME.match(name) and name not in _OF_THE_NAME and len(value) <= LONGEST and value.isprintable():
            yield name, value


def _started(monitor: Any) -> Any:
    monitor.filter_by("net")
    monitor.start()
    try:
        monitor.set_receive_buffer_size(BUFFER)
    except OSError:  # inside a user namespace
        log.debug("udev events keep the system's buffer")
    return monitor
