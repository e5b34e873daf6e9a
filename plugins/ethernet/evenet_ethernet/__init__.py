"""evenet plugin: Ethernet adapters."""
