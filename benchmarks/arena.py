"""A place of its own for each measurement: network and mount namespaces that vanish afterwards."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

__all__ = ["NAMESPACES", "in_arena", "make_app_namespaces", "of_children"]

NAMESPACES = Path("/run/netns")
NEWNS, NEWNET, NEWPID = 0x20000, 0x40000000, 0x20000000
PRIVATE = ("mount", "--make-rprivate", "/")
QUIET = 0.05  # seconds in which an idle kernel makes a network namespace; more means that it still cleans up
QUIET_TIMES, PAUSE = 10, 0.2  # it does not begin at once


def in_arena(measure: Callable[[], Any]) -> Any:
    """What `measure` returns (plain values), from a process in fresh namespaces. Everything it started ends with it."""
    _wait_for_quiet()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _unshare(NEWPID)
        init = os.fork()
        if init:
            _, status = os.waitpid(init, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
        _be_init(measure, writer)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    if not text:
        raise RuntimeError("the measurement died")
    return json.loads(text)


def _be_init(measure: Callable[[], Any], writer: int) -> None:
    status = 1
    try:
        _unshare(NEWNS | NEWNET)
        subprocess.run(PRIVATE, check=True)
        subprocess.run(("mount", "-t", "proc", "proc", "/proc"), check=True)
        for directory in ("/run", "/var/lib"):
            subprocess.run(("mount", "-t", "tmpfs", "-o", "mode=0755", "none", directory), check=True)
        for directory in ("/run/netns", "/run/lock", "/var/lib/misc", "/var/lib/dhcpcd"):
            Path(directory).mkdir(parents=True, exist_ok=True)
        subprocess.run(("mount", "-t", "sysfs", "sysfs", "/sys"), check=True)
        subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
        os.write(writer, json.dumps(measure()).encode())
        status = 0
    except BaseException:  # whatever it is, the parent must not run twice
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(status)


def make_app_namespaces(names: Iterable[str]) -> None:
    """Apps that run already: their namespaces stand at /run/netns, as ip-netns(8) has it."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    for name in names:
        path = NAMESPACES / name
        path.touch()
        _unshare(NEWNET)
        if libc.mount(b"/proc/self/ns/net", str(path).encode(), None, 0x1000, None):
            raise OSError(ctypes.get_errno(), f"mount {path}")
        libc.setns(home, NEWNET)
    os.close(home)


def of_children() -> float:
    """Processor seconds of children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")


def _wait_for_quiet() -> None:
    """The kernel takes namespaces apart in the background, and others wait for it meanwhile."""
    quiet = 0
    while quiet < QUIET_TIMES:
        start = time.perf_counter()
        subprocess.run(("unshare", "--net", "true"), check=True)
        quiet = quiet + 1 if time.perf_counter() - start < QUIET else 0
        time.sleep(PAUSE)
