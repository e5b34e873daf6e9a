"""Networking of a Linux edge node, kept as its operator asked for."""
