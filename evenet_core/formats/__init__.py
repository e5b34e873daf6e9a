"""Configs from outside: every format that evenet knows, checked completely before anything is done with it.

    document = formats.read_file("device-config.json")      # or raises ConfigError with every problem
    document.config                                          # model.DeviceConfig

| file | subject |
|---|---|
| `reading.py`, `kinds.py` | which format a file is in, and its reader |
| `decode.py`, `yamltree.py` | bytes to plain values, bounded in every direction |
| `report.py`, `document.py` | what is wrong, what has no effect, and what is read |
| `native.py`, `schema.py` | evenet's own format |
| `portpatch.py` | settings of one port, from a local operator |
| `eve/`, `dpc.py`, `dpcport.py`, `properties.py` | EVE's formats, each object a table |
| `mapping.py`, `convert.py` | what those tables are made of |
| `typed.py`, `salvage.py`, `words.py` | plain values to the model's; what is wrong with types, in words |
| `sharing.py` | what was read before is not another object |
| `rules/` | what is wrong with the meaning of a config, whatever its format |
| `fields.py` | reads foreign objects field by field (of the lab) |
"""

from evenet_core.formats.document import Document, Notice
from evenet_core.formats.reading import read, read_file, schema

__all__ = ["Document", "Notice", "read", "read_file", "schema"]
