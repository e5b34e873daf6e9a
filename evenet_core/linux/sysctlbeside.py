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

from evenet_core.linux.notes import Notes

__all__ = ["Beside"]

_BESIDE = {  # the directory of links, and what else
    "net/ipv4/ip_forward": ("net/ipv4/conf", "net/ipv4/conf/all/accept_redirects"),
    "net/ipv6/conf/all/forwarding": ("net/ipv6/conf",),
}
_INDEX = re.compile(r"%(\d+)")


class Beside:
    """Remembers it in a file of its own, and gives it back."""

    def __init__(self, file: Path, root: Path) -> None:
        self._notes = Notes(file)
        self._root = root

    def remember(self, setting: str) -> None:
        """To be called before this setting is changed."""
        if setting in _BESIDE:
            self._notes.save(self._load() | {setting: self._seen(*_BESIDE[setting])})

    def give_back(self, setting: str) -> None:
        """To be called when the setting itself was given back.

        :raises OSError: the kernel refuses.
        """
        if setting not in _BESIDE:
            return
        known = self._load()
        for name, value in known.pop(setting, {}).items():
            with suppress(FileNotFoundError):  # of a link that went
                path = self._root / _INDEX.sub(lambda index: _name(int(index[1])), name)
                if _read(path) != value:
                    path.write_text(value)
        self._notes.save(known)

    def _seen(self, links: str, *others: str) -> dict[str, str]:
        found = {name: _read(self._root / name) for name in others}
        return found | {known: _read(path) for path, known in _forwarding(self._root / links, links)}

    def _load(self) -> dict[str, Mapping[str, str]]:
        stored = self._notes.load()
        return {setting: stored[setting] for setting in _BESIDE if isinstance(stored.get(setting), dict)}


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
