"""Signing in, and what a reader has of its own: turns, limits, passwords, the pictures of children."""
