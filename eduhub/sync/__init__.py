"""Nodes and their hub: joining, the two streams, fetching, and what goes home by the outbox."""
