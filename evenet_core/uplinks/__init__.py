"""Sending over uplinks: how a device agent reaches its controller, whichever of them works.

    async with Node() as node:
        answer = await node.uplinks.request("POST", "https://controller.example.com/api/info", body=info)
        async with node.uplinks.open(image, max_cost=node.uplinks.download_max_cost) as response:
            async for part in response.parts():
                ...
        node.uplinks.defer("info", "https://controller.example.com/api/info", info)

Every connection is bound to one uplink: its address, its device, its name servers. The cheapest that works is tried
first, equals take turns; one that fails or takes long is overtaken by the next within the same request. Programs in
other languages get the same from a local HTTP CONNECT proxy (`proxy.py`).
"""

from evenet_core.uplinks.client import Answer, Response, Uplinks
from evenet_core.uplinks.connecting import Connection, UplinkError

__all__ = ["Answer", "Connection", "Response", "UplinkError", "Uplinks"]
