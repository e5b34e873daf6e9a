"""evenet plugin: Firewall backends."""
