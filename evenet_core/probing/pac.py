"""Proxy auto-config: a script from the network that says which proxy a URL is to be asked through.

It is evaluated by a process of its own (`pacevaluator.py`), which is killed when it takes too long. A script that fails
is an error of its port: it never means that the request may leave directly.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from evenet_core.errors import DriverError
from evenet_core.linux.process import spawn
from evenet_core.model.dnsname import is_dns_name
from evenet_core.model.values import IPAddress
from evenet_core.probing import pacevaluator
from evenet_core.probing.request import Cause, Egress, ProbeError
from evenet_core.probing.targets import host_addresses
from evenet_core.probing.ways import Via, directives

__all__ = ["evaluate"]

TIME = 3.0  # seconds for the script, without what it asks us
LOOKUPS, LOOKUP_TIME = 8, 3.0  # names that a script may ask for, and seconds for each
LINE = 65536  # bytes


async def evaluate(pac: str, url: str, host: str, egress: Egress) -> Sequence[Via]:
    """The ways for this URL.

    :raises ProbeError: the script fails, takes too long, or names no way.
    """
    own = ";".join(str(address) for address in egress.sources if not address.is_link_local)
    ours, theirs = socket.socketpair()
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        argv = (sys.executable, "-I", str(Path(pacevaluator.__file__)))
        pid = spawn(argv, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=nowhere)
    except DriverError as error:
        ours.close()
        raise ProbeError(Cause.OTHER, str(error)) from error
    finally:
        theirs.close()
        os.close(nowhere)
    try:
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours, limit=LINE)
        given = {"pac": pac, "url": url, "host": host, "own": own}
        try:
            return directives(await _answer(reader, writer, given, egress))
        finally:
            writer.transport.abort()
    except ValueError as error:
        raise ProbeError(Cause.OTHER, f"PAC file on {egress.ifname}: {error}") from error
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)  # noqa: ASYNC222  it was killed


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, given: dict[str, str], egress: Egress
) -> str:
    """
    :raises ValueError: there is none; the text says why.
    """
    writer.write(json.dumps(given).encode() + b"\n")
    lookups = 0
    while True:
        try:
            async with asyncio.timeout(TIME):
                line = await reader.readline()
        except TimeoutError:
            raise ValueError(f"it was not done within {TIME:g} s") from None
        except OSError:
            line = b""
        told = json.loads(line) if line.endswith(b"\n") else {"error": "it used up its memory or its time"}
        match told:
            case {"answer": str(answer)}:
                return answer
            case {"resolve": str(name)} if lookups < LOOKUPS:
                lookups += 1
                found = ";".join(map(str, await _addresses(name, egress)))
                writer.write(json.dumps({"addresses": found}).encode() + b"\n")
            case {"resolve": _}:
                raise ValueError(f"it asks for more than {LOOKUPS} names")
            case {"error": str(error)}:
                raise ValueError(error)
            case _:
                raise ValueError("it says nothing that makes sense")


async def _addresses(name: str, egress: Egress) -> Sequence[IPAddress]:
    """Of a host, by the name servers of this port; none if they do not tell."""
    with suppress(ValueError):
        return [ip_address(name)]
    if not is_dns_name(name):
        return []
    try:
        async with asyncio.timeout(LOOKUP_TIME):
            return await host_addresses(name, egress, (4,))
    except (ProbeError, TimeoutError):
        return []
