"""evenet plugin: Local and switch network instances."""
