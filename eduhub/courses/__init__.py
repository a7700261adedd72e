"""Courses, units, lessons, publishing, audience and the plan."""
