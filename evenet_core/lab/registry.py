"""Labs of this machine: each is a directory, and a keeper process that all its namespaces live and die with."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenet_core.errors import EvenetError
from evenet_core.linux.procfs import start_time

__all__ = ["ROOT", "Lab", "all_labs", "find_lab", "new_lab"]

ROOT = Path("/run/evenet-lab")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}\Z")  # the control socket's path has 107 bytes at most


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab by its directory. What is in it:

    keeper.json   pid of the keeper and when it was started
    hosts.json    descriptors of each host's namespaces, in the keeper
    site.json     what was built, for `lab status`
    HOST/         run, lib and etc as that host sees them
    *.log         what keeper, agent and controller have to say
    """

    directory: Path

    @property
    def name(self) -> str:
        return self.directory.name

    def read(self, what: str) -> dict[str, Any]:
        """One of the documents above; empty while it is not written."""
        try:
            found = json.loads((self.directory / f"{what}.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def keeper(self) -> int | None:
        """Pid of the keeper; None if it is dead."""
        known = self.read("keeper")
        pid = known.get("pid")
        return pid if isinstance(pid, int) and start_time(pid) == known.get("started") else None

    def socket(self) -> Path:
        """The control socket of the agent inside, as seen from here."""
        return self.directory / "device" / "run" / "evenet" / "evenet.sock"

    def host(self, name: str) -> dict[str, str]:
        """Paths of a host's namespaces.

        :raises EvenetError: the lab is not up, or it has no such host.
        """
        keeper = self.keeper
        if keeper is None:
            raise EvenetError(f"lab {self.name} is not up")
        hosts = self.read("hosts")
        if name not in hosts:
            raise EvenetError(f"lab {self.name} has no host {name}; hosts: {', '.join(sorted(hosts))}")
        paths = {kind: f"/proc/{keeper}/fd/{number}" for kind, number in hosts[name].items()}
        return paths | {"pid": f"/proc/{keeper}/ns/pid"}

    def end(self) -> None:
        """Kill the keeper. The kernel ends every process of the lab with it, and then its namespaces."""
        pid = self.keeper
        if pid is not None:
            with suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                try:
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    _wait(descriptor)
                finally:
                    os.close(descriptor)
        shutil.rmtree(self.directory, ignore_errors=True)


def find_lab(name: str) -> Lab:
    """The lab with this name.

    :raises EvenetError: there is none.
    """
    lab = Lab(ROOT / name)
    if not _NAME.match(name) or not lab.directory.is_dir():
        known = ", ".join(other.name for other in all_labs()) or "none"
        raise EvenetError(f"there is no lab {name}; labs: {known}")
    return lab


def all_labs() -> Iterator[Lab]:
    """Every lab there is, and what is left of others."""
    if ROOT.is_dir():
        yield from (Lab(directory) for directory in sorted(ROOT.iterdir()) if directory.is_dir())


@contextmanager
def new_lab(name: str) -> Iterator[Lab]:
    """A directory for a new lab. Inside of the block its keeper is started and noted down; labs come one by one here.

    :raises EvenetError: the name cannot be used, or a lab of this name is up.
    """
    if not _NAME.match(name):
        raise EvenetError(f"{name!r} is no name for a lab: at most 40 letters, digits, dots, hyphens and underscores")
    ROOT.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(ROOT, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for lab in all_labs():  # what dead keepers left behind: files, nothing else can outlive them
            if lab.keeper is None:
                lab.end()
        lab = Lab(ROOT / name)
        if lab.directory.exists():
            raise EvenetError(f"lab {name} is up already; `evenet lab down {name}` removes it")
        lab.directory.mkdir(mode=0o700)
        yield lab
    finally:
        os.close(descriptor)


def _wait(pidfd: int) -> None:
    """Until the process is dead; the init of a pid namespace dies last (pid_namespaces(7))."""
    import select  # noqa: PLC0415  not needed by `lab exec`

    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll()
