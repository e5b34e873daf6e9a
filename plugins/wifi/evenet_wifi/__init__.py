"""evenet plugin: WiFi adapters."""
