"""The files from which a node starts: which are read, and which count (EVE: spec of device connectivity, B.1).

A DPC, and a bootstrap config, count until the first device config is stored; where there is a bootstrap config, it
counts and no DPC does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from evenet_core import formats
from evenet_core.device.flatten import dpc_from_config
from evenet_core.errors import ConfigError
from evenet_core.model.adapters import Origin
from evenet_core.node import Node

__all__ = ["Given", "Sources"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Given:
    """A document, and the digest of the file that it was read from."""

    document: formats.Document
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Files that `evenet run` was given.

    :param config: device config; taken when it has changed since the last start.
    :param bootstrap: device config of which only the device's own connectivity counts.
    :param overrides: DPCs, or directories of them (`*.json`).
    """

    config: Path | None = None
    bootstrap: Path | None = None
    overrides: Sequence[Path] = ()

    def read(self, node: Node) -> list[Given]:
        """What the node is to take, in this order.

        :raises ConfigError: a file is broken, and the node has nothing else to start from.
        :raises OSError: it cannot be read.
        """
        found = [*self._first(node), *([self.config] if self.config is not None else [])]
        given = [one for path in found if (one := _read(path, node, bootstrap=path is self.bootstrap)) is not None]
        return [one for one in given if not node.has_taken(one.document, one.digest)]

    def _first(self, node: Node) -> Iterator[Path]:
        """Files for the time before the first device config."""
        overrides = [path for given in self.overrides for path in _files(given)]
        wanted = [self.bootstrap] if self.bootstrap is not None else overrides
        for path in [*([self.bootstrap] if self.bootstrap is not None else []), *overrides]:
            if node.configured:
                log.info("%s is not taken: a DPC counts until the first device config is stored", path)
            elif path not in wanted:
                log.info("%s is not taken: bootstrap config %s counts instead", path, self.bootstrap)
            else:
                yield path


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def _read(path: Path, node: Node, *, bootstrap: bool) -> Given | None:
    """A broken file does not stop a node that has a config: it runs on with that one."""
    try:
        digest = sha256(path.read_bytes()).hexdigest()  # before it is read: what comes in between is taken once more
        document = formats.read_file(path)
    except (ConfigError, OSError) as error:
        if not node.configured:
            raise
        log.error("%s is not taken; the config stored last stays in use:\n%s", path, error)
        return None
    if document.dpc is not None and node.configured:
        log.info("%s is not taken: a DPC counts until the first device config is stored", path)
        return None
    if bootstrap and document.config is not None:
        dpc = dpc_from_config(document.config, "bootstrap", Origin.BOOTSTRAP)
        document = replace(document, kind="bootstrap", config=None, dpc=dpc)
    return Given(document, digest)
