"""Runs a program on a host of a lab, from outside. Loads little: it is called often."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

from evenet_core.lab.host import ENVIRONMENT, become, enter

__all__ = ["run_on"]

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_on(paths: Mapping[str, str], argv: Sequence[str]) -> int:
    """Exit status of the program, 128 + signal if one ended it.

    :param paths: of the host's namespaces (`Lab.host`)
    """
    here = os.getcwd()
    enter(paths)
    with suppress(OSError):
        os.chdir(here)
    child = os.fork()
    if not child:
        become(argv, {**os.environ, **ENVIRONMENT})
    for number in FORWARDED:
        signal.signal(number, lambda received, _: _pass_on(child, received))
    while True:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code


def _pass_on(child: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, number)
