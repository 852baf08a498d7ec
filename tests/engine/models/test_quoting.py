"""What a stranger's names may do to a sentence: nothing."""

from engine.models.quoting import grouped, listed, quoted


def test_names_stay_on_one_line_printable_and_short() -> None:
    assert quoted("a\x1b[2J\n\u202eb\ud800") == "a_[2J__b?"
    assert len(quoted("가" * 500)) == 80 and quoted("가" * 80) == "가" * 80


def test_few_of_many_are_listed() -> None:
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed([str(number) for number in range(9)], 2) == "0, 1 and 7 more"


def test_many_paths_are_named_by_what_they_share() -> None:
    assert grouped(["a.b", "a.c"]) == "a.b, a.c"
    assert grouped(["s.key.conv.weight", "s.key.conv.bias", "s.key.fc.weight", "s.queue"]) == "key, queue"
    assert grouped([f"layer{number}.{what}" for number in range(9) for what in ("ops", "params")]) == "ops, params"
    assert grouped(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
