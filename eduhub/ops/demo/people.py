"""Who is in the demo. Only data; every name is made up."""

from dataclasses import dataclass

REGION = {"bo": "ནག་ཆུ། (དཔེ་མཚོན།)", "zh": "那曲（演示）", "en": "Nagqu (demo)"}
SCHOOLS = {
    "shuanghu": {"bo": "མཚོ་གཉིས་སློབ་ཆུང་།", "zh": "双湖小学", "en": "Shuanghu Primary School"},
    "nyima": {"bo": "ཉི་མ་སློབ་ཆུང་།", "zh": "尼玛小学", "en": "Nyima Primary School"},
}
INTAKE_AGE_YEARS = 3  # the groups are in their fourth year, so they began three years ago


@dataclass(frozen=True)
class Adult:
    """Signs in with a name and a password."""

    sign_in_name: str
    name: str
    role: str
    scope: str  # all, region, course, group, or the key of a school
    school: str | None  # None: at home in the region
    language: str

    @property
    def password(self) -> str:
        """Long enough for the rules, and plainly no secret."""
        return f"demo-{self.sign_in_name}-2026"


ADULTS = (
    Adult("tenzin", "Tenzin", "operator", "all", None, "en"),
    Adult("lhamo", "ལྷ་མོ།", "region_operator", "region", None, "bo"),
    Adult("pema", "白玛", "school_admin", "shuanghu", "shuanghu", "zh"),
    Adult("norbu", "诺布", "school_admin", "nyima", "nyima", "zh"),
    Adult("tashi", "扎西", "teacher", "course", "shuanghu", "zh"),
    Adult("sonam", "Sonam", "teacher", "nyima", "nyima", "en"),
    Adult("drolkar", "卓嘎", "assistant", "group", "shuanghu", "zh"),
    Adult("yangchen", "央金", "reviewer", "region", None, "zh"),
)

# School -> children, each with the language of its pages.
CHILDREN = {
    "shuanghu": (("卓玛 Dolma", "zh"), ("嘎玛 Karma", "zh"), ("མེ་ཏོག Metok", "bo"), ("边巴 Penpa", "zh")),
    "nyima": (("Pasang", "en"), ("次仁 Tsering", "zh"), ("ཉི་མ། Nyima", "bo")),
}
