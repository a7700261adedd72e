"""Tables on a terminal."""

from eduhub.ops.showing import table


def test_columns_stand_under_each_other_also_in_chinese_and_tibetan() -> None:
    shown = table(("WHO", "HOW"), [("白玛", "pema"), ("ལྷ་མོ།", "lhamo"), ("Tenzin", "tenzin")])
    assert shown.splitlines() == [
        "WHO     HOW",
        "------  ------",
        "白玛    pema",
        "ལྷ་མོ།    lhamo",
        "Tenzin  tenzin",
    ]
