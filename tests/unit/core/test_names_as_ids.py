"""Names of people who have no id elsewhere, as ids here."""

import pytest
from convoy.core.names import id_of_name, ids_of_name, is_id


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("ada", ("ada",)),
        ("Joe_Biden", ("Joe_Biden", "joe_biden")),
        ("Ada Lovelace", ("ada%20lovelace",)),
        ("ADA  L", ("ada%20%20l",)),
        ("100%", ("100%", "100%25")),
        ("Jose\u0301", ("Jos\u00e9", "jos\u00e9")),
        ("Straße", ("Straße", "strasse")),
        ("a\tb", ("a%09b",)),
        ("", ()),
        ("x" * 129, ()),
        ("Ä" * 128, ("Ä" * 128, "ä" * 128)),
    ],
)
def test_a_name_is_looked_for_as_it_stands_then_in_lower_case(name: str, ids: tuple[str, ...]) -> None:
    assert ids_of_name(name) == ids
    assert all(map(is_id, ids))


def test_two_names_that_differ_by_more_than_case_have_two_ids() -> None:
    names = ["a b", "a%20b", "a_b", "a-b", "ab", "a\u00a0b", "a\tb"]
    assert len({id_of_name(name) for name in names}) == len(names)
