"""What a class is called: from its intake year, its stage and the school's current school year.

A cohort keeps its row for all its years, so its name is never stored: in the next school year
"Primary 3, class 2" is "Primary 4, class 2". These are names that schools write on their
doors, composed by rule in the three languages; they are not sentences of a page.
Pure functions.
"""

STAGES = {"primary": 6, "junior": 3, "senior": 3}  # years in each
LANGUAGES = ("en", "zh", "bo")

_EN_STAGE = {"primary": "Primary", "junior": "Junior", "senior": "Senior"}
_ZH_STAGE = {"primary": "小学", "junior": "初中", "senior": "高中"}
_BO_STAGE = {"primary": "སློབ་ཆུང་", "junior": "དམའ་འབྲིང་", "senior": "མཐོ་འབྲིང་"}
_ZH_NUMBERS = ("", "一", "二", "三", "四", "五", "六", "七", "八", "九")
_BO_ORDINALS = (
    "", "དང་པོ", "གཉིས་པ", "གསུམ་པ", "བཞི་པ", "ལྔ་པ", "དྲུག་པ", "བདུན་པ", "བརྒྱད་པ", "དགུ་པ", "བཅུ་པ", "བཅུ་གཅིག་པ", "བཅུ་གཉིས་པ",
)  # fmt: skip


def cohort(stage: str, intake_year: int, class_number: int, school_year: int, language: str) -> str:
    """The name of an intake cohort in a school year; outside its years, by its intake."""
    grade = school_year - intake_year + 1
    write = {"zh": _zh, "bo": _bo}.get(language, _en)
    return write(stage, grade if 1 <= grade <= STAGES[stage] else None, intake_year, class_number)


def _en(stage: str, grade: int | None, intake_year: int, class_number: int) -> str:
    when = f"intake {intake_year}" if grade is None else str(grade)
    return f"{_EN_STAGE[stage]} {when}, class {class_number}"


def _zh(stage: str, grade: int | None, intake_year: int, class_number: int) -> str:
    if grade is None:
        return f"{_ZH_STAGE[stage]}{intake_year}级{class_number}班"
    if stage == "senior":
        return f"高{_ZH_NUMBERS[grade]}{class_number}班"
    return f"{_ZH_NUMBERS[grade + _years_before(stage)]}年级{class_number}班"


def _bo(stage: str, grade: int | None, intake_year: int, class_number: int) -> str:
    the_class = f"འཛིན་གྲྭ་{_bo_ordinal(class_number)}"
    if grade is None:
        return f"{_BO_STAGE[stage]}{_bo_digits(intake_year)}ལོའི་{the_class}"
    before = _BO_STAGE[stage] if stage == "senior" else ""
    return f"{before}ལོ་རིམ་{_bo_ordinal(grade + _years_before(stage))}འི་{the_class}"


def _years_before(stage: str) -> int:
    """Years are counted through primary and junior; senior school begins again at one."""
    return STAGES["primary"] if stage == "junior" else 0


def _bo_ordinal(number: int) -> str:
    return _BO_ORDINALS[number] if number < len(_BO_ORDINALS) else f"{_bo_digits(number)}པ"


def _bo_digits(number: int) -> str:
    return "".join(chr(0x0F20 + int(digit)) for digit in str(number))
