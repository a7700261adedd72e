"""Nodes and their hub: joining, the two streams, fetching, the outbox home, the courier."""
