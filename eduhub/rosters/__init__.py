"""The school's people as a whole: what was changed and taking it back, moving, leaving, export and erasure."""
