"""EVE's device config: EdgeDevConfig as protobuf's JSON. One module for each kind of object, each a table."""

from evenet_core.formats.eve.config import read

__all__ = ["read"]
