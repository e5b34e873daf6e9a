"""What a reader gives back: one file's content in the model's words, and what is not acted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # whoever only asks for the type loads no model
    from evenet_core.model.adapters import Dpc
    from evenet_core.model.config import DeviceConfig

__all__ = ["Document", "Kind", "Notice"]

Kind = Literal["eve", "dpc", "native", "settings", "bootstrap"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A field that evenet does not act on (yet), or that has no effect here: nothing that forbids the config."""

    path: str  # in the words of the file
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file, read: a device config, a DPC, or device properties."""

    kind: Kind
    config: DeviceConfig | None = None
    dpc: Dpc | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
