"""Where the pages of this room exist: all of a child's, everywhere."""

from eduhub.web.learning import keeping, lessons, open_courses, transcripts

EVERYWHERE = (keeping.bp, lessons.bp, open_courses.bp, transcripts.bp)
