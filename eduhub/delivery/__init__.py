"""Bytes by hash, packages, the catalog, trusted keys, passes, and serving them."""

from eduhub.delivery import movements as _movements  # noqa: F401 - its listeners count every write
