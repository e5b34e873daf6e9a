"""What a config means as a whole, checked: whatever its format, problems are told in the words of its file.

Strict where a wrong value would break the node or open it; a notice where it only has no effect.
"""

from evenet_core.formats.rules.config import check_config
from evenet_core.formats.rules.dpc import check_dpc
from evenet_core.formats.rules.properties import check_settings

__all__ = ["check_config", "check_dpc", "check_settings"]
