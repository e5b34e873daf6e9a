"""A host of the lab: network, mount and host-name namespaces of its own, and programs that run in them.

Its file system is this machine's, but for what a machine has of its own: /etc (an overlay), /run and /var/lib
(empty), /sys (of its network). What is written there stands in the lab's directory.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ENVIRONMENT", "Host", "become", "enter", "kill_all", "make_host", "mount_namespace", "start"]

_NEWNS, _NEWUTS, _NEWNET, _NEWPID = 0x20000, 0x4000000, 0x40000000, 0x20000000
_BIND, _REC, _PRIVATE, _DETACH = 0x1000, 0x4000, 1 << 18, 2
_libc = ctypes.CDLL(None, use_errno=True)

# evenet itself is found where this one is
PATH = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"}
ENVIRONMENT |= {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
KINDS = {"mnt": _NEWNS, "net": _NEWNET, "uts": _NEWUTS}


@dataclass(frozen=True, slots=True)
class Host:
    """Descriptors of a host's namespaces; they live as long as somebody holds these."""

    name: str
    directory: Path
    namespaces: Mapping[str, int]

    @property
    def net(self) -> int:
        return self.namespaces["net"]

    def close(self) -> None:
        for descriptor in self.namespaces.values():
            os.close(descriptor)


def make_host(name: str, directory: Path) -> Host:
    """A new host; `directory` holds its files.

    :raises OSError: the kernel refuses.
    """
    for part in ("etc", "work", "run", "lib"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    ready, told = os.pipe2(os.O_CLOEXEC)
    go, going = os.pipe2(os.O_CLOEXEC)

    def build() -> None:
        os.close(going)  # or it would wait for itself
        _check(_libc.unshare(_NEWNS | _NEWUTS | _NEWNET), "unshare")
        label = name.encode()[:64]
        _check(_libc.sethostname(label, len(label)), "sethostname")
        _furnish(directory)
        os.write(told, b"x")
        os.read(go, 1)

    child = _fork(build)
    try:
        os.close(told)
        if not os.read(ready, 1):
            raise OSError(0, f"host {name} could not be made; see keeper.log")
        flags = os.O_RDONLY | os.O_CLOEXEC
        return Host(name, directory, {kind: os.open(f"/proc/{child}/ns/{kind}", flags) for kind in KINDS})
    finally:
        for descriptor in (ready, go, going):
            os.close(descriptor)
        os.waitpid(child, 0)


def _furnish(directory: Path) -> None:
    mount("none", "/", flags=_REC | _PRIVATE)
    mount("sysfs", "/sys", "sysfs")
    mount("overlay", "/etc", "overlay", data=f"lowerdir=/etc,upperdir={directory}/etc,workdir={directory}/work")
    mount(f"{directory}/lib", "/var/lib", flags=_BIND)
    mount(f"{directory}/run", "/run", flags=_BIND)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2).

    :raises OSError: the kernel refuses.
    """
    arguments = (source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None)
    _check(_libc.mount(*arguments), f"mount {target}")


def mount_namespace(host: Host, namespace: int, target: str) -> None:
    """Make a network namespace known to a host by a path: `target` there."""

    def bind() -> None:
        path = Path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        mount(f"/proc/self/fd/{namespace}", target, flags=_BIND)

    _run_in(host, bind)


def unmount(host: Host, target: str) -> None:
    """A host forgets a path."""

    def detach() -> None:
        _libc.umount2(target.encode(), _DETACH)
        Path(target).unlink(missing_ok=True)

    _run_in(host, detach)


def start(host: Host, argv: Sequence[str], log: Path, environment: Mapping[str, str] = ENVIRONMENT) -> int:
    """Start a program on a host; its pid. What it says goes to `log`."""

    def run() -> None:
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for place, descriptor in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
            os.dup2(descriptor, place)
        _enter(host)
        become(argv, environment)

    return _fork(run)


def kill_all(host: Host) -> None:
    """End every process of a host: programs, their helpers, and whatever was started in it from outside."""
    mine = os.fstat(host.net).st_ino
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with suppress(OSError):
                if os.stat(f"{entry.path}/ns/net").st_ino == mine:
                    os.kill(int(entry.name), signal.SIGKILL)


def _run_in(host: Host, what: Callable[[], None]) -> None:
    def run() -> None:
        _enter(host)
        what()

    _, status = os.waitpid(_fork(run), 0)
    if status:
        raise OSError(0, f"host {host.name}: a change of its file system failed; see keeper.log")


def _enter(host: Host) -> None:
    for kind, flag in KINDS.items():
        _check(_libc.setns(host.namespaces[kind], flag), f"setns {kind}")


def enter(paths: Mapping[str, str]) -> None:
    """This process goes to a host for good; its children are in the lab's pid namespace as well.

    :param paths: of the namespaces, by kind
    :raises OSError: the host is gone, or we may not.
    """
    flags = {"pid": _NEWPID} | KINDS
    descriptors = {kind: os.open(paths[kind], os.O_RDONLY | os.O_CLOEXEC) for kind in flags}
    for kind, flag in flags.items():
        _check(_libc.setns(descriptors[kind], flag), f"setns {kind}")


def become(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    """Turn into a program, as a shell would start it. Returns never."""
    for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        os.execvpe(argv[0], list(argv), dict(environment))
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _fork(what: Callable[[], None]) -> int:
    """A child that does one thing and never comes back into the code of its parent."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        what()
        status = 0
    except BaseException as error:  # whatever it is, the parent must not run twice
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    os._exit(status)


def unshare_pids() -> None:
    """Children from now on live in a pid namespace of their own: the first of them is its init.

    :raises OSError: the kernel refuses.
    """
    _check(_libc.unshare(_NEWPID), "unshare")


def own_mounts() -> None:
    """This process sees its own mounts and its own processes from now on.

    :raises OSError: the kernel refuses.
    """
    _check(_libc.unshare(_NEWNS), "unshare")
    mount("none", "/", flags=_REC | _PRIVATE)
    mount("proc", "/proc", "proc")


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
