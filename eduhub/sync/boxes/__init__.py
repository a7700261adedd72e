"""Boxes as such: how one joins, gets its name and its certificate, is replaced, and is shut out when it is lost."""
