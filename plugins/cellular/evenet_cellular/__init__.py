"""evenet plugin: Cellular adapters."""
