"""Configs from outside: every format that evenet knows, checked completely before anything is done with it.

document = formats.read_file("device-config.json")      # or raises ConfigError with every problem
document.config                                          # model.DeviceConfig
"""

from evenet_core.formats.document import Document, Notice
from evenet_core.formats.reading import read, read_file, schema

__all__ = ["Document", "Notice", "read", "read_file", "schema"]
