"""The rules of a box in one word: short enough for its status, and read again as they were."""

from hypothesis import given
from hypothesis import strategies as st

from eduhub.installation import Installation
from eduhub.schools.models import Site
from eduhub.sync.allowance import policies, rules_word
from eduhub.sync.allowance.budgets import Limits, parse_windows
from eduhub.sync.allowance.policies import Choice, Rules
from eduhub.sync.status import box_status, told
from tests.sync.world import Hub

_NUMBER = st.none() | st.integers(1, 100_000_000)
_RULES = st.builds(
    Rules,
    choice=st.builds(
        Choice, max_height=st.none() | st.integers(0, 4320), codecs=st.frozensets(st.sampled_from(sorted(policies.CODECS))),
        languages=st.frozensets(st.sampled_from(["bo", "zh", "en", "zh-Hant-CN"])),
    ),
    limits=st.builds(
        Limits, st.sampled_from([(), tuple(parse_windows("22:00-06:00,12:00-14:00"))]), _NUMBER, _NUMBER,
        _NUMBER.map(lambda mb: mb and mb * policies.MB), _NUMBER.map(lambda mb: mb and mb * policies.MB),
    ),
    disk_bytes=_NUMBER.map(lambda mb: mb and mb * policies.MB),
    courses=st.dictionaries(st.text(max_size=4), st.builds(Choice), max_size=3),
)  # fmt: skip


@given(rules=_RULES)
def test_it_fits_and_is_read_as_it_was_or_says_that_there_is_more(rules: Rules) -> None:
    word = rules_word.write(rules)
    assert len(word) <= told.MAX_WORD
    found = rules_word.read(word)
    assert " ".join(f"{name}={value}" if name != rules_word.MORE else name for name, value in found) == word
    whole = list(rules_word._tokens(rules))
    assert (rules_word.MORE in dict(found)) == (len(found) - (rules_word.MORE in dict(found)) < len(whole))


@given(text=st.text(max_size=100) | st.none() | st.integers())
def test_whatever_is_read_has_a_known_name_and_a_number_where_one_belongs(text: object) -> None:
    for name, value in rules_word.read(text):
        assert name in (*rules_word.NAMES, rules_word.MORE)
        assert name not in {"rate", "day", "month", "disk", "height", "courses"} or int(value) >= 0


def test_a_box_tells_its_hub_the_rules_that_it_goes_by(hub: Hub, box: Installation) -> None:
    school = hub.school("Shuanghu")
    hub.join(box, school)
    with hub.here.database.write() as session:
        policies.set_site(session, session.get_one(Site, school.site), ceiling_kbit_s=64, month_mb=3000, windows="22:00-06:00")
    hub.sync(box)
    with box.database.read() as session:
        said = box_status.of_box(session, box)
    assert said["policy"] == "rate=64 month=3000 hours=22:00-06:00"
