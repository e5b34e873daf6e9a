"""The keeper of one lab: builds it, runs its services, and holds its namespaces.

It is the init of a pid namespace. When it dies, however it dies, the kernel kills every other process of the lab,
and with the last descriptor the namespaces and all that is in them vanish.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evenet_core.lab.apps import Apps
from evenet_core.lab.build import build_site
from evenet_core.lab.certificates import make_authority, make_certificate
from evenet_core.lab.device import Supervisor, furnish_device, start_chronyd
from evenet_core.lab.firewall import ruleset
from evenet_core.lab.host import Host, make_host, own_mounts, start
from evenet_core.lab.model import Endpoint, EndpointKind, NetworkModel
from evenet_core.lab.ntp import serve_time
from evenet_core.lab.plan import DEVICE, OUTSIDE, ROUTER, bridge_names, internet_of, plan_site
from evenet_core.lab.proxy import ExplicitProxy, resolver
from evenet_core.lab.reading import read_model
from evenet_core.lab.services import CONTROLLER_NAME, lease_service, name_service, public_names, resolvers
from evenet_core.lab.web import controller, pages, serve, somewhere, tls_context
from evenet_core.linux.files import write_atomic

__all__ = ["main"]

CONTROLLER_PORT = 443


def main() -> None:
    """`python -m evenet_core.lab.keeper DIRECTORY PROGRESS`; PROGRESS is a descriptor that lines are written to."""
    directory, progress = Path(sys.argv[1]), int(sys.argv[2])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    own_mounts()
    asyncio.run(_Keeper(directory, progress).run())


class _Keeper:
    def __init__(self, directory: Path, progress: int) -> None:
        self._directory = directory
        self._progress = progress
        self._order: dict[str, Any] = json.loads((directory / "order.json").read_bytes())
        self._model = read_model(directory / "model.json")
        self._internet = internet_of(self._model)
        self._plan = plan_site(self._model, self._order["names"])
        self._hosts: dict[str, Host] = {}
        self._ends: dict[int, asyncio.Future[int]] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._bury)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # whoever sent them meant somebody else: `lab down` kills
        self._hosts = {name: make_host(name, self._directory / _folder(name)) for name in self._plan.hosts}
        self._apps = Apps(self._directory, self._hosts[DEVICE], self._tell_hosts)
        await build_site(self._plan, self._hosts)
        self._tell_hosts()
        self._say("built")
        await self._serve()
        self._say("serving")
        await asyncio.gather(self._apps.follow(self._run_directory() / "apps.json"), self._agent())

    def _run_directory(self) -> Path:
        return self._hosts[DEVICE].directory / "run" / "evenet"

    async def _agent(self) -> None:
        arguments = [f"--{option}=/etc/evenet/{name}" for option, name in self._order["documents"]]
        supervisor = Supervisor(self._hosts[DEVICE], arguments, self._end_of, lambda: self._say("agent"))
        await supervisor.run(self._directory / "agent.log")

    # -- services -------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        model, internet, outside = self._model, self._internet, self._hosts[OUTSIDE]
        ca = make_authority(self._directory)
        names = [CONTROLLER_NAME, "example.com", "*.example.com", "example.org", "*.example.org"]
        context = tls_context(make_certificate(self._directory, "outside", names, internet.all))
        port = model.controller_port or CONTROLLER_PORT
        self._furnish(ca, port)
        for number in dict.fromkeys((CONTROLLER_PORT, port)):
            await serve(outside.net, number, controller(self._directory / "controller.log"), context)
        await serve(outside.net, 80, somewhere("internet"))
        await serve_time(outside.net, internet.ntp)
        self._daemon(outside, "names", public_names(model, internet))
        self._firewall(model)
        bridges = bridge_names(model)
        for network in model.networks:
            bridge = bridges[network.bridge]
            self._daemon(self._hosts[ROUTER], bridge, lease_service(network, model, bridge))
        for endpoint in model.endpoints:
            await self._endpoint(endpoint)

    async def _endpoint(self, endpoint: Any) -> None:
        host = self._hosts[endpoint.label]
        lines = "".join(f"nameserver {server}\n" for server in resolvers(endpoint))
        (host.directory / "etc" / "resolv.conf").write_text(lines)
        match endpoint.kind:
            case EndpointKind.DNS:
                self._daemon(host, "names", name_service(endpoint, self._model, self._internet))
            case EndpointKind.EXPLICIT_PROXY:
                await self._proxy(endpoint)
            case EndpointKind.NTP:
                await serve_time(host.net, [address.ip for address in endpoint.addresses])
            case EndpointKind.HTTP:
                if endpoint.http_port:
                    await serve(host.net, endpoint.http_port, pages(endpoint))
                if endpoint.https_port:
                    chain = host.directory / "https.pem"
                    write_atomic(chain, f"{endpoint.certificate}\n{endpoint.key}\n".encode(), sync=False)
                    await serve(host.net, endpoint.https_port, pages(endpoint), tls_context(chain))

    async def _proxy(self, endpoint: Endpoint) -> None:
        host = self._hosts[endpoint.label]
        private = [a.ip for e in self._model.endpoints if e.label in endpoint.private_dns for a in e.addresses]
        servers = [str(server) for server in (*endpoint.public_dns, *private)] or resolvers(endpoint)
        directory = host.directory / "proxy"
        directory.mkdir(exist_ok=True)
        lookup = resolver(host.net, servers)
        await ExplicitProxy(endpoint, host.net, directory, lookup, self._directory / "ca.pem").start()

    def _furnish(self, ca: Path, port: int) -> None:
        documents = {name: (self._directory / "given" / name).read_bytes() for _, name in self._order["documents"]}
        where = CONTROLLER_NAME if port == CONTROLLER_PORT else f"{CONTROLLER_NAME}:{port}"
        furnish_device(self._hosts[DEVICE], where, ca.read_bytes(), documents)
        start_chronyd(self._hosts[DEVICE])

    def _firewall(self, model: NetworkModel) -> None:
        router = self._hosts[ROUTER]
        write_atomic(router.directory / "run" / "firewall.nft", ruleset(model).encode(), sync=False)
        start(router, ("nft", "-f", "/run/firewall.nft"), router.directory / "log")

    def _daemon(self, host: Host, name: str, config: str) -> None:
        if config:
            write_atomic(host.directory / "run" / f"{name}.conf", config.encode(), sync=False)
            start(host, ("dnsmasq", f"--conf-file=/run/{name}.conf"), host.directory / "log")

    # -- telling --------------------------------------------------------------------------------------

    def _tell_hosts(self) -> None:
        hosts: Mapping[str, Host] = {**self._apps.hosts, **self._hosts}
        document = {name: dict(host.namespaces) for name, host in hosts.items()}
        write_atomic(self._directory / "hosts.json", json.dumps(document).encode(), sync=False)

    def _say(self, what: str) -> None:
        """To whoever brings the lab up; later nobody listens."""
        if self._progress >= 0:
            try:
                os.write(self._progress, what.encode() + b"\n")
            except OSError:
                os.close(self._progress)
                self._progress = -1

    # -- processes ------------------------------------------------------------------------------------

    async def _end_of(self, pid: int) -> int:
        """Exit status of a process, when it has ended."""
        self._ends[pid] = asyncio.get_running_loop().create_future()
        return await self._ends[pid]

    def _bury(self) -> None:
        """An init waits for everybody's orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            code = os.waitstatus_to_exitcode(status)
            if pid in self._ends:
                self._ends.pop(pid).set_result(code)


def _folder(name: str) -> str:
    """A host's directory; a label may hold characters that a file name must not."""
    return "".join(c if c.isalnum() or c in "-_." else f"%{ord(c):x}" for c in name).lstrip(".") or "host"


if __name__ == "__main__":
    main()
