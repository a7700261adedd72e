"""Where the pages of this room exist: the operator's at the hub; who did what at a school, at its box, too."""

from eduhub.web.operator import auditing, boxes, courier, organisations, versions, work

EVERYWHERE = (auditing.bp,)
AT_THE_HUB = (organisations.bp, boxes.bp, courier.bp, work.bp, versions.bp, auditing.hub_bp)
