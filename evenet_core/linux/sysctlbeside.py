"""What the kernel changes along with a setting: forwarding of a family is written to every link.

Source: net/ipv4/devinet.c, inet_forward_change; net/ipv6/addrconf.c, addrconf_fixup_forwarding. A link is remembered
by its index, for a port gets another name meanwhile: `net/ipv4/conf/%3/forwarding`.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["beside", "give_back"]

_BESIDE = {  # the directory of links, and what else
    "net/ipv4/ip_forward": ("net/ipv4/conf", "net/ipv4/conf/all/accept_redirects"),
    "net/ipv6/conf/all/forwarding": ("net/ipv6/conf",),
}
_INDEX = re.compile(r"%(\d+)")


def beside(setting: str, root: Path) -> dict[str, str]:
    """What will change along with this setting, and is so now."""
    if setting not in _BESIDE:
        return {}
    links, *others = _BESIDE[setting]
    found = {name: _read(root / name) for name in others}
    return found | {known: _read(path) for path, known in _forwarding(root / links, links)}


def give_back(values: Mapping[str, str], root: Path) -> None:
    """To be called when the setting itself was given back.

    :raises OSError: the kernel refuses.
    """
    for name, value in values.items():
        with suppress(FileNotFoundError):  # of a link that went
            path = root / _INDEX.sub(lambda index: _name(int(index[1])), name)
            if _read(path) != value:
                path.write_text(value)


def _forwarding(directory: Path, links: str) -> Iterator[tuple[Path, str]]:
    """The setting of each link: its path, and its name with the link's index."""
    for link in directory.iterdir():
        with suppress(OSError):  # it went this moment
            known = link.name if link.name in ("all", "default") else f"%{socket.if_nametoindex(link.name)}"
            yield link / "forwarding", f"{links}/{known}/forwarding"


def _name(index: int) -> str:
    """
    :raises FileNotFoundError: there is no such link.
    """
    try:
        return socket.if_indextoname(index)
    except OSError as error:
        raise FileNotFoundError(str(error)) from error


def _read(path: Path) -> str:
    return path.read_text().strip()
