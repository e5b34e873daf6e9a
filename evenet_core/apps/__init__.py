"""Decisions for app connectivity, pure: numbers, addresses, MACs, routes, access rules, metadata."""
