"""Objects of a config that were read before are given back as they were: to compare them costs nothing then."""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, TypeVar

from evenet_core.model.config import DeviceConfig

__all__ = ["Sharing"]

T = TypeVar("T")


class Sharing:
    """Remembers the objects of the last config by what they were read from."""

    def __init__(self) -> None:
        self._known: dict[bytes, Any] = {}

    def shared(self, config: DeviceConfig, document: dict[str, Any]) -> DeviceConfig:
        """The same config; objects that the last one had in the same words are those very objects.

        :param document: what the config was read from
        """
        before, self._known = self._known, {}
        return replace(
            config,
            network_instances=self._each(document.get("network_instances", ()), config.network_instances, before),
            apps=self._each(document.get("apps", ()), config.apps, before),
        )

    def _each(self, words: Sequence[Any], objects: Sequence[T], before: dict[bytes, Any]) -> tuple[T, ...]:
        shared: list[T] = []
        for said, made in zip(words, objects, strict=True):
            digest = blake2b(marshal.dumps(said, 2), digest_size=16).digest()
            shared.append(before.get(digest, made))
            self._known[digest] = shared[-1]
        return tuple(shared)
