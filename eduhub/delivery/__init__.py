"""Bytes by hash, packages, the catalog, trusted keys, passes, and serving them."""
