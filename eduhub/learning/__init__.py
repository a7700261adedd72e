"""What learners did: events, progress."""
