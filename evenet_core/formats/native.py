"""evenet's own format: YAML or JSON whose shape is that of `model.DeviceConfig`."""

from __future__ import annotations

from typing import Any

from evenet_core.formats.document import Document
from evenet_core.formats.report import Report
from evenet_core.formats.rules import check_config
from evenet_core.formats.typed import typed
from evenet_core.model.config import DeviceConfig

__all__ = ["read"]


def read(document: dict[str, Any], report: Report) -> Document:
    """The device config; what is wrong with it is in the report."""
    config = typed(document, DeviceConfig, report)
    check_config(config, report)
    return Document(kind="native", config=config, settings=config.settings)
