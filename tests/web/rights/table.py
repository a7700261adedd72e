"""Who may use which route: what is expected, written by hand and not derived from the rules of the routes.

A route is `METHOD address`, as in docs/routes.md, and beside it stand the readers of `readers.py` who are let through.
Everybody else must be refused: 401 for those who are not signed in, 403 for the others (404 on a route of HIDDEN). The
things in the address are always those of one school. Three words say more than a list:

- EVERYONE: open to all, signed in or not;
- PROTOCOL: it has a credential of its own (an intent, a box's signature, a token), and no cookie changes the answer;
- GONE: not there any more at a box that has joined, as this one has, whoever asks.

A new route gets a line here, under its blueprint's heading. A rule that no list below describes gets a list.
"""

EVERYONE = frozenset({"everyone"})
PROTOCOL = frozenset({"protocol"})
GONE = frozenset({"gone"})


def only(*names: str) -> frozenset[str]:
    """These readers and nobody else."""
    return frozenset(" ".join(names).split())


SIGNED_IN = only(
    "operator region far_region admin other_admin lapsed_admin teacher colleague group_teacher other_teacher",
    "assistant other_assistant reviewer school_reviewer student other_class other_student",
)
OPERATOR = only("operator")
OVERSEES = only("operator region far_region")
# Whatever belongs to one school: its people, classes, plan.
SCHOOL = only("operator region admin")
# What a school cannot judge alone.
OVERSEES_SCHOOL = only("operator region")
# Whatever belongs to one course.
COURSE = only("operator region admin teacher")
TEACHES = only("admin other_admin teacher colleague group_teacher other_teacher")
MAKES_COURSES = only("admin other_admin colleague other_teacher")
# By a role for the owner of the course, for the course, or for a class that takes it; a child by the class alone.
READS_LESSON = only("operator region admin teacher colleague group_teacher assistant reviewer school_reviewer student")

# fmt: off
TABLE: dict[str, frozenset[str]] = {
    # home, accounts
    "GET /": EVERYONE,
    "GET /card": EVERYONE,
    "POST /card": EVERYONE,
    "POST /card/photo": EVERYONE,
    "POST /language": EVERYONE,
    "GET /sign-in": EVERYONE,
    "POST /sign-in": EVERYONE,
    "POST /sign-out": EVERYONE,

    # own
    "GET /account": SIGNED_IN,
    "GET /account/password": SIGNED_IN - only("student other_class other_student"),  # they have cards
    "POST /account/password": SIGNED_IN - only("student other_class other_student"),
    "POST /account/sign-ins/<sign_in_uid>/end": SIGNED_IN,  # of others it is not there: test_own_sign_ins.py
    "POST /account/sign-ins/end-others": SIGNED_IN,

    # turns, children, classes (at a box; closed, they lead to the card)
    "GET /turn": EVERYONE,
    "POST /turn": EVERYONE,
    "GET /schools/<org_uid>/fetching": SCHOOL,
    "POST /schools/<org_uid>/fetching": SCHOOL,
    "POST /schools/<org_uid>/fetching/courses/<course_uid>": SCHOOL,
    "GET /schools/<org_uid>/traffic": SCHOOL,
    "GET /schools/<org_uid>/children-sign-in": SCHOOL,
    "POST /schools/<org_uid>/children-sign-in": SCHOOL,
    "POST /people/<person_uid>/pictures/forget": SCHOOL,
    "GET /classes": EVERYONE,
    "GET /classes/<group_uid>": EVERYONE,
    "GET /children/<person_uid>/pictures": EVERYONE,
    "POST /children/<person_uid>/pictures": EVERYONE,
    "GET /my-pictures": SIGNED_IN,
    "POST /my-pictures": SIGNED_IN,

    # open (the course of the table is not open to everybody, and so is not there)
    "GET /open": EVERYONE,
    "GET /open/<course_uid>": only(),
    "GET /open/place": EVERYONE,
    "POST /open/place": EVERYONE,
    "POST /open/place/new": EVERYONE,
    "POST /open/place/leave": EVERYONE,

    # learning
    "GET /courses/<course_uid>": only("student"),
    "GET /lessons/<lesson_uid>": READS_LESSON,
    "GET /lessons/<lesson_uid>/tables": READS_LESSON,
    "GET /lessons/<lesson_uid>/transcript": READS_LESSON,

    # keeping
    "GET /app.webmanifest": EVERYONE,
    "GET /kept": EVERYONE,
    "GET /kept/turn": EVERYONE,
    "GET /kept/withdrawn": EVERYONE,
    "GET /lessons/<lesson_uid>/kept": READS_LESSON,
    "GET /sw.js": EVERYONE,

    # search
    "GET /search": EVERYONE,
    "GET /teaching/search": TEACHES,

    # people
    "GET /people/<person_uid>": SCHOOL,
    "POST /people/<person_uid>/card": SCHOOL,
    "POST /people/<person_uid>/enrolments": SCHOOL,
    "GET /schools/<org_uid>/adults/new": SCHOOL,
    "POST /schools/<org_uid>/adults/new": SCHOOL,
    "GET /schools/<org_uid>/children/new": SCHOOL,
    "POST /schools/<org_uid>/children/new": SCHOOL,
    "GET /schools/<org_uid>/people": SCHOOL,

    # access
    "GET /operator/audit": OVERSEES,
    "GET /schools/<org_uid>/audit": SCHOOL,
    "POST /people/<person_uid>/password": SCHOOL,
    "POST /people/<person_uid>/sign-ins/end": SCHOOL,

    # school
    "GET /enrolments/<enrolment_uid>/withdraw": SCHOOL,
    "POST /enrolments/<enrolment_uid>/withdraw": SCHOOL,
    "GET /groups/<group_uid>": SCHOOL,
    "POST /groups/<group_uid>/children": SCHOOL,
    "POST /group-courses/<group_course_uid>/end": SCHOOL,
    "POST /groups/<group_uid>/courses": SCHOOL,
    "GET /schools/<org_uid>": SCHOOL,
    "GET /schools/<org_uid>/groups/new": SCHOOL,
    "POST /schools/<org_uid>/groups/new": SCHOOL,

    "POST /schools/<org_uid>/people": SCHOOL,

    # cards, changing_people
    "GET /groups/<group_uid>/cards": SCHOOL,
    "GET /schools/<org_uid>/cards": SCHOOL,
    "GET /people/<person_uid>/edit": SCHOOL,
    "GET /people/<person_uid>/leave": SCHOOL,
    "POST /groups/<group_uid>/cards": SCHOOL,
    "POST /people/<person_uid>/card/lost": SCHOOL,
    "POST /people/<person_uid>/edit": SCHOOL,
    "POST /people/<person_uid>/leave": SCHOOL,
    "POST /people/<person_uid>/move": SCHOOL,
    "POST /roles/<grant_uid>/end": SCHOOL,

    # childs_data, school_boxes, box_words
    "GET /people/<person_uid>/erase": SCHOOL,
    "GET /schools/<org_uid>/box-words": SCHOOL,
    "POST /schools/<org_uid>/box-words": SCHOOL,
    "POST /schools/<org_uid>/box-words/end": SCHOOL,
    "GET /schools/<org_uid>/boxes/<node_uid>": SCHOOL,
    "GET /schools/<org_uid>/boxes/<node_uid>/poster": SCHOOL,
    "POST /schools/<org_uid>/boxes/<node_uid>/lost": OVERSEES_SCHOOL,
    "POST /schools/<org_uid>/boxes/<node_uid>/replace": OVERSEES_SCHOOL,
    "POST /schools/<org_uid>/boxes/<node_uid>/stolen": SCHOOL,
    "POST /people/<person_uid>/consent": SCHOOL,
    "POST /people/<person_uid>/erase": SCHOOL,
    "POST /people/<person_uid>/export": SCHOOL,

    # school_calendar
    "GET /schools/<org_uid>/calendar": SCHOOL,
    "POST /schools/<org_uid>/calendar": SCHOOL,

    # history
    "GET /schools/<org_uid>/history": SCHOOL,
    "POST /schools/<org_uid>/history/undo": SCHOOL,

    # planning
    "GET /groups/<group_uid>/weeks/<day>": SCHOOL,
    "POST /groups/<group_uid>/weeks/<day>": SCHOOL,
    "POST /groups/<group_uid>/weeks/<day>/carry-on": SCHOOL,
    "POST /plan/<plan_uid>/drop": SCHOOL,
    "POST /plan/<plan_uid>/move": SCHOOL,

    # teaching, announcing
    "GET /reviewing": only("reviewer school_reviewer"),
    "GET /reviewing/lessons/<lesson_uid>": only("reviewer school_reviewer"),
    "POST /reviewing/lessons/<lesson_uid>/back": only("reviewer school_reviewer"),
    "POST /reviewing/lessons/<lesson_uid>/publish": only("reviewer school_reviewer"),
    "POST /teaching/courses/<course_uid>/review": SCHOOL,
    "GET /teaching": TEACHES,
    "GET /teaching/courses/<course_uid>": COURSE,
    "GET /teaching/courses/<course_uid>/lessons/new": COURSE,
    "POST /teaching/courses/<course_uid>/lessons/new": COURSE,
    "POST /teaching/courses/<course_uid>/units": COURSE,
    "POST /teaching/courses/<course_uid>/videos": COURSE,
    "GET /teaching/courses/new": MAKES_COURSES,
    "POST /teaching/courses/new": MAKES_COURSES,
    "GET /teaching/lessons/<lesson_uid>": COURSE,
    "GET /teaching/lessons/<lesson_uid>/arrived": COURSE,
    "POST /teaching/lessons/<lesson_uid>/light": COURSE,
    "POST /teaching/lessons/<lesson_uid>/publish": COURSE,
    "POST /teaching/lessons/<lesson_uid>/video": COURSE,
    "POST /teaching/lessons/<lesson_uid>/withdraw": COURSE,
    "GET /teaching/courses/<course_uid>/watched": COURSE,
    "GET /teaching/lessons/<lesson_uid>/watched": COURSE,
    "GET /groups/<group_uid>/courses/<course_uid>/watched": only("admin colleague group_teacher"),
    "GET /teaching/lessons/<lesson_uid>/preview": only("operator region admin teacher reviewer school_reviewer"),
    "GET /teaching/lessons/<lesson_uid>/words": COURSE,
    "POST /teaching/lessons/<lesson_uid>/words": COURSE,

    # recordings, trimming
    "GET /teaching/lessons/<lesson_uid>/progress": COURSE,
    "POST /teaching/lessons/<lesson_uid>/steps/<step>/again": COURSE,
    "POST /teaching/lessons/<lesson_uid>/stop": COURSE,
    "GET /teaching/lessons/<lesson_uid>/trim": COURSE,
    "POST /teaching/lessons/<lesson_uid>/trim": COURSE,
    "GET /teaching/lessons/<lesson_uid>/voices": COURSE,
    "POST /teaching/lessons/<lesson_uid>/voices": COURSE,
    "POST /teaching/lessons/<lesson_uid>/voices/<source_uid>/drop": COURSE,
    "POST /teaching/lessons/<lesson_uid>/voices/add": COURSE,

    # attaching, materials, ordering
    "GET /teaching/courses/<course_uid>/order": COURSE,
    "POST /teaching/courses/<course_uid>/order": COURSE,
    "GET /teaching/lessons/<lesson_uid>/attachments": COURSE,
    "POST /teaching/lessons/<lesson_uid>/attachments": COURSE,
    "POST /teaching/lessons/<lesson_uid>/attachments/<attachment_uid>/again": COURSE,
    "POST /teaching/lessons/<lesson_uid>/attachments/<attachment_uid>/drop": COURSE,
    "GET /teaching/lessons/<lesson_uid>/captions": COURSE,
    "POST /teaching/lessons/<lesson_uid>/captions": COURSE,
    "POST /teaching/lessons/<lesson_uid>/captions/<captions_uid>/drop": COURSE,
    "POST /teaching/lessons/<lesson_uid>/captions/<captions_uid>/use": COURSE,
    "GET /teaching/lessons/<lesson_uid>/chapters": COURSE,
    "POST /teaching/lessons/<lesson_uid>/chapters": COURSE,

    # operator, work
    "GET /operator": OVERSEES,
    "GET /operator/boxes": OVERSEES,
    "GET /operator/boxes/code": OPERATOR,
    "POST /operator/boxes/code": OPERATOR,
    "GET /operator/organisations/new": OPERATOR,
    "POST /operator/organisations/new": OPERATOR,
    "GET /operator/schools/<org_uid>/room": OPERATOR,
    "POST /operator/schools/<org_uid>/room": OPERATOR,
    "GET /operator/versions": OPERATOR,
    "POST /operator/versions": OPERATOR,
    "POST /operator/versions/<offer_uid>": OPERATOR,
    "GET /operator/sticks": OVERSEES,
    "POST /operator/sticks/fill": OVERSEES,
    "POST /operator/sticks/read": OVERSEES,
    "POST /operator/sticks/pack": OVERSEES,
    "GET /operator/sticks/files/<file_uid>": OVERSEES_SCHOOL,
    "POST /operator/sticks/home": OVERSEES,
    "GET /schools/<org_uid>/sticks": SCHOOL,
    "POST /schools/<org_uid>/sticks/pack": SCHOOL,
    "GET /schools/<org_uid>/sticks/files/<file_uid>": SCHOOL,
    "POST /schools/<org_uid>/sticks/home": SCHOOL,
    "GET /operator/work": OPERATOR,
    "POST /operator/jobs/<job_uid>/again": OPERATOR,
    "POST /operator/jobs/<job_uid>/stop": OPERATOR,

    # box
    "GET /box": SIGNED_IN,
    "POST /box/first/<lesson_uid>": TEACHES,
    "GET /poster": EVERYONE,
    # captive: led to the school's page where the box gives the names, as this one does, and else not there: test_captive.py
    "GET /generate_204": EVERYONE,
    "GET /gen_204": EVERYONE,
    "GET /hotspot-detect.html": EVERYONE,
    "GET /library/test/success.html": EVERYONE,
    "GET /connecttest.txt": EVERYONE,
    "GET /ncsi.txt": EVERYONE,
    "GET /canonical.html": EVERYONE,
    "GET /success.txt": EVERYONE,
    # first_start: for everyone on its network until the box has joined: test_first_start.py
    "GET /first-start": GONE,
    "POST /first-start": GONE,
    "GET /box/sticks": TEACHES,
    "POST /box/sticks": TEACHES,
    "POST /box/sticks/file": TEACHES,
    "POST /box/sticks/home": TEACHES,

    # api
    "GET /health": EVERYONE,
    "POST /api/v1/events": PROTOCOL,
    "GET /api/v1/lessons/<lesson_uid>/progress": SIGNED_IN,
    "GET /api/openapi.json": EVERYONE,

    # media
    "POST /media/uploads": PROTOCOL,
    "PATCH /media/uploads/<source_uid>": PROTOCOL,
    "POST /media/uploads/<source_uid>": PROTOCOL,
    "DELETE /media/uploads/<source_uid>": PROTOCOL,
    "POST /media/uploads/<source_uid>/check": PROTOCOL,

    # sync
    "GET /sync/v1/catalog/head": PROTOCOL,
    "GET /sync/v1/catalog/pages/<int:number>": PROTOCOL,
    "GET /sync/v1/hello": PROTOCOL,
    "POST /sync/v1/join": PROTOCOL,
    "POST /sync/v1/mirror/passes": PROTOCOL,
    "POST /sync/v1/outbox": PROTOCOL,
    "POST /sync/v1/passes": PROTOCOL,
    "GET /sync/v1/replaced": PROTOCOL,
    "POST /sync/v1/certificate": PROTOCOL,
    "POST /sync/v1/replay": PROTOCOL,
    "POST /sync/v1/status": PROTOCOL,
    "GET /sync/v1/stream": PROTOCOL,

    # static
    "GET /static/<path:filename>": EVERYONE,
}
# Whoever may not see this is told that it is not there.
HIDDEN = frozenset(
    {"GET /courses/<course_uid>", "GET /open/<course_uid>", "GET /account/password", "POST /account/password"}
)
# fmt: on
