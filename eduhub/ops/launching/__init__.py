"""The launcher, which outlives the versions it runs: packed into one file where they lie (`ops/release_setup.py`).

These modules, and the two packages above them, know nothing but the standard library.
"""
