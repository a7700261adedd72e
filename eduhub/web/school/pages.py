"""Where the pages of this room exist: a school is run at its box as well as at the hub, but for two things."""

from eduhub.web.school import (
    box_policy,
    box_traffic,
    box_words,
    boxes,
    cards,
    changing_people,
    children,
    childs_data,
    classes,
    history,
    people,
    planning,
    sticks_at_hub,
    terms,
)

EVERYWHERE = (
    box_policy.bp, classes.bp, people.bp, changing_people.bp, cards.bp, children.bp, childs_data.bp, planning.bp, terms.bp, history.bp,
)  # fmt: skip
AT_THE_HUB = (childs_data.at_the_hub, boxes.bp, box_words.bp, sticks_at_hub.bp)
AT_A_BOX = (box_traffic.bp,)
