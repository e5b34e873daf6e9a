"""Networking of a Linux edge node, kept as its operator asked for."""

__version__ = "0.1.0"
