"""Where the pages of this room exist: lessons are made at the hub; what a class watched is shown at its box, too."""

from eduhub.web.teaching import (
    announcing,
    arrival,
    attachments,
    captions,
    courses,
    ordering,
    previewing,
    recordings,
    reviewing,
    trimming,
    watched,
)

EVERYWHERE = (watched.of_classes,)
AT_THE_HUB = (
    courses.bp, recordings.bp, announcing.bp, trimming.bp, captions.bp, attachments.bp, ordering.bp, previewing.bp,
    reviewing.bp, arrival.bp, watched.of_courses,
)  # fmt: skip
