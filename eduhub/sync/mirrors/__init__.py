"""Boxes as upstreams of each other: county mirrors and neighbours. Catalog and blobs, nothing else. See docs/decisions/0023."""
