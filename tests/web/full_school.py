"""A school as it is after a year: long names in three languages, courses of forty lessons, a class of thirty.

What is short in `world` is long here, because pages break on what is long: for the tests that look at the children's
and guests' pages. Whoever adds a page for them adds what fills it.
"""

import io
from dataclasses import dataclass
from datetime import date, timedelta

from PIL import Image, ImageDraw
from sqlalchemy.orm import Session

from eduhub import clock
from eduhub.accounts import credentials, people, picture_secrets
from eduhub.accounts.models import SignIn
from eduhub.courses import attaching, editing, materials, plan, search
from eduhub.courses.chapters import Chapter
from eduhub.courses.models import Course, Lesson
from eduhub.installation import Installation, JobContext
from eduhub.media.models import Source
from eduhub.schools import children_sign_in, enrolment
from eduhub.schools.children_sign_in import Allowed
from eduhub.uids import new_uid
from eduhub.web.accounts import visits
from tests.media.test_attachments import PDF
from tests.web.world import BEGAN, World, publish, watch

MINUTES = 42
PICTURES = ("sun", "fish", "tent")  # of whoever has chosen some
COURSES = (
    {"zh": "科学（三年级下册）：水、空气和我们周围的世界", "en": "Science, year three: water, air and the world around us",
     "bo": "ཚན་རིག འཛིན་རིམ་གསུམ་པ། ཆུ་དང་མཁའ་རླུང། ང་ཚོའི་ཁོར་ཡུག་གི་འཇིག་རྟེན།"},
    {"zh": "藏语文：民间故事与谚语", "bo": "བོད་ཀྱི་སྐད་ཡིག དམངས་ཁྲོད་ཀྱི་གཏམ་རྒྱུད་དང་གཏམ་དཔེ།"},
    {"en": "Arithmetic: fractions and measures"},
)  # fmt: skip
TITLES = (
    {"bo": "ཆུ་ནི་ཅིའི་ཕྱིར་གྲང་ངར་ཆེ་བའི་དགུན་དུས་སུ་འཁྱགས་པར་འགྱུར་བ་དང་། དེ་ཆུའི་ཁ་ལ་གཡེང་དགོས་པའི་རྒྱུ་མཚན།",
     "zh": "为什么水在寒冷的冬天会结成冰，而冰块又总是浮在水面上——从高原湖泊的观察说起", "en": "Why ice floats on the lake in winter"},
    {"zh": "雨、雪和冰雹是从哪里来的？（第二课时，含课堂实验：在杯子里做一朵云）"},
    {"bo": "གངས་ཀྱི་དབྱིབས།"},
    {"en": "Where rivers begin: the Yarlung Tsangpo, the Mekong and the Yangtze followed from the glacier to the sea"},
    {"zh": "露水", "en": "Dew"},
)  # fmt: skip
NAMES = (
    "སྒྲོལ་མ།", "次仁拉姆", "བསོད་ནམས་དབང་འདུས།", "Karma Tsering", "旦增", "ཚེ་རིང་ལྷ་མོ་དཀར་སྒྲོལ།", "白玛央金", "རྡོ་རྗེ།", "欧珠", "ཉི་མ་ཕུན་ཚོགས།",
)
TEXTS = {
    "bo": "ཤེལ་ཕོར་གང་ཆུས་བཀང་ནས་གྲ་སྒྲིག་བྱོས། འཁྱགས་པའི་རྡོག་པོ་གཅིག་ཀྱང་དགོས།",
    "zh": "## 上课以前\n\n请准备：\n\n- 一杯水\n- 一小块冰\n- 一支**铅笔**和你的练习本\n\n想一想：冰为什么不沉下去？",
}  # fmt: skip
SAID = {
    "bo": ("ཆུའི་ནང་འཁྱགས་པ་གཡེང་བ་ཅིའི་ཕྱིར་ཡིན་ནམ།", "འཁྱགས་པ་ནི་ཆུ་ལས་ཡང་བ་ཡིན། དེའི་རྒྱུ་མཚན་ནི་ཆུ་འཁྱགས་པའི་སྐབས་སུ་བོངས་ཚད་ཆེ་རུ་འགྲོ་བ་རེད།"),
    "zh": ("冰为什么浮在水上？", "冰比水轻，因为水结冰的时候体积会变大，同样重的冰比水占的地方更多。"),
    "en": ("Why does ice float on water?", "Ice is lighter than water, because water takes up more room when it freezes."),
}  # fmt: skip


@dataclass
class FullSchool:
    """Uids of what the pages show, and the code of the child's card."""

    lesson: str  # with captions, chapters and attachments
    plain: str  # with a long Chinese title alone, and nothing beside the video
    withdrawn: str
    course: str
    group: str
    child: str
    child_card: str
    newcomer_card: str  # a child of a class without a course
    sister: str


def fill(installation: Installation, world: World) -> FullSchool:
    """Fill `world`'s school; the newest lesson of the plan is not here yet, one was taken back."""
    with installation.database.write() as session:
        courses = [editing.add_course(session, org_uid=world.school, titles=titles) for titles in COURSES]
        made = [
            [editing.add_lesson(session, course_uid=course.uid, titles=_numbered(at), texts=TEXTS if at == 0 else {}, language="zh")
             for at in range(count)]
            for course, count in zip(courses, (40, 7, 2), strict=True)
        ]  # fmt: skip
        for course in courses:
            editing.give_course(session, group_uid=world.group, course_uid=course.uid, starts_on=BEGAN)
        courses[0].audience = "open"
        session.get_one(Course, world.course).audience = "open"
        children = [_child(session, name, world) for name in NAMES * 3]
        people.change(session, world.lhamo, name="ཚེ་རིང་ལྷ་མོ་དཀར་སྒྲོལ།")
        newcomer = people.add(session, org_uid=world.school, name="གསར་འབྱོར།")
        enrolment.enrol(session, person_uid=newcomer.uid, group_uid=world.empty_group, starts_on=BEGAN)
        newcomer_card = credentials.issue_card(session, newcomer.uid)
        children_sign_in.choose(session, world.school, Allowed(by_pictures=True, turns_without_card=True))
        for child in (world.lhamo, *children[:8]):
            if child != world.lhamo:
                credentials.issue_card(session, child)
            picture_secrets.choose(session, installation.keys.secret, child, PICTURES)
        first = made[0][0]
        _add_materials(session, installation, first.uid)
        _plan(session, world, made[0])
        made[0][6].state = "published"  # and its bytes are not here
    bring_out(installation, [*made[0][:6], *made[0][7:], *made[1], *made[2]])
    with installation.database.write() as session:
        for at, percent in ((8, 96), (9, 40), (10, 100), (3, 12)):
            watch(session, made[0][at].uid, world.lhamo, world.school, 0, MINUTES * 60 * percent // 100)
        session.add(SignIn(
            uid=new_uid(), person_uid=world.lhamo, credential_uid=world.lhamo, started_ms=clock.now_ms() - 2 * visits.APART_MS, ended_ms=1,
        ))  # fmt: skip
        session.get_one(Lesson, made[0][39].uid).state = "withdrawn"
    search.refresh(JobContext(installation, "", lambda _share: None))
    return FullSchool(
        lesson=first.uid, plain=made[0][1].uid, withdrawn=made[0][39].uid, course=courses[0].uid, group=world.group, child=world.lhamo,
        child_card=world.lhamo_card, newcomer_card=newcomer_card, sister=children[5],
    )  # fmt: skip


def bring_out(installation: Installation, lessons: list[Lesson]) -> None:
    """Publish them all, in four sizes, each with the picture of a slide; the first alone is large, for each is read through."""
    sizes = [b"d" * size for size in (2_600_000, 940_000, 1_400_000, 640_000)]
    slide = _slide()
    for at, lesson in enumerate(lessons):
        publish(
            installation, lesson, materials=at == 0, saved=sizes[at % 4] if at else b"d" * 21_400_000, duration_ms=(MINUTES - at % 17) * 60_000, poster=slide,
        )  # fmt: skip


def _numbered(at: int) -> dict[str, str]:
    titles = TITLES[at % len(TITLES)]
    return titles if at < len(TITLES) else {tag: f"{text} {at + 1}" for tag, text in titles.items()}


def _child(session: Session, name: str, world: World) -> str:
    child = people.add(session, org_uid=world.school, name=name)
    enrolment.enrol(session, person_uid=child.uid, group_uid=world.group, starts_on=BEGAN)
    return child.uid


def _plan(session: Session, world: World, lessons: list[Lesson]) -> None:
    """Two lessons today, one tomorrow, one that is not here; three that are over."""
    today = date.fromisoformat(clock.today("Asia/Shanghai"))
    for at, days, period in ((0, 0, 1), (1, 0, 3), (3, 1, 2), (6, 2, 4), (8, -1, 1), (9, -2, 2), (11, -6, 5)):
        plan.add(session, group_uid=world.group, lesson_uid=lessons[at].uid, day=(today + timedelta(days=days)).isoformat(), period=period)


def _add_materials(session: Session, installation: Installation, lesson_uid: str) -> None:
    for language, lines in SAID.items():
        text = "WEBVTT\n\n" + "\n\n".join(
            f"{at // 3:02}:{at % 3 * 20:02}.000 --> {at // 3:02}:{at % 3 * 20 + 9:02}.000\n{lines[at % len(lines)]}" for at in range(36)
        )
        materials.set_captions(session, installation.blobs, lesson_uid, language, text.encode())
    chapters = [Chapter(0, "浮在水面上的东西"), Chapter(65_000, "冰比水轻：把同样大小的冰块和水放在天平的两边比一比"), Chapter(900_000, "湖里的鱼怎样过冬")]
    materials.set_chapters(session, lesson_uid, "zh", chapters)
    blob = installation.blobs.put_bytes(PDF)
    for title, language in (("练习纸：什么东西会浮起来？（请在家里和家人一起完成）", "zh"), ("སྦྱང་གཞི། ཆུའི་ཁ་ལ་གཡེང་བའི་དངོས་པོ།", "bo")):
        row = attaching.announce(session, lesson_uid, title=title, language=language, audience="learner")
        session.add(Source(
            uid=row.source_uid, org_uid=row.org_uid, file_name=title, language=language, state="checked", sha256=blob.sha256,
            bytes=blob.bytes, made_ms=0, probe={"type": "application/pdf", "pieces": None},
        ))  # fmt: skip


def _slide() -> bytes:
    """A slide as it stands in a recording: light, with a heading, lines and a drawing."""
    picture = Image.new("RGB", (640, 360), (246, 243, 234))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((40, 36, 420, 60), fill=(40, 60, 90))
    for at in range(5):
        pen.rectangle((40, 100 + at * 40, 300 - at * 22, 112 + at * 40), fill=(120, 130, 140))
    pen.polygon([(360, 300), (450, 130), (500, 220), (540, 170), (610, 300)], fill=(90, 120, 160))
    pen.polygon([(450, 130), (475, 175), (430, 168)], fill=(255, 255, 255))
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=60)
    return out.getvalue()
