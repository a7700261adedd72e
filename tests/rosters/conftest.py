"""The house of the courses' tests: two schools, their people, a course."""

from tests.courses.conftest import begins_with, house

__all__ = ["begins_with", "house"]
