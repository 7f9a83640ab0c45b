"""Words of the toy world."""

from __future__ import annotations

from itertools import combinations

import pytest

from arc_encoder.data.synthetic.toy_world import lexicon as words
from arc_encoder.data.synthetic.toy_world.lexicon import Lexicon

GROUPS = {"people": 160, "new_people": 120, "towns": 40, "new_towns": 24, "ships": 24, "new_ships": 16, "rivers": 16}


@pytest.fixture(scope="module", params=[0, 1, 12345])
def lexicon(request: pytest.FixtureRequest) -> Lexicon:
    return Lexicon.from_seed(request.param)


def test_the_seed_alone_chooses_the_words() -> None:
    assert Lexicon.from_seed(3) == Lexicon.from_seed(3)
    assert Lexicon.from_seed(3).people != Lexicon.from_seed(4).people
    assert Lexicon.from_seed(3).foreign != Lexicon.from_seed(4).foreign


@pytest.mark.parametrize(("group", "count"), GROUPS.items())
def test_each_group_has_its_size_and_no_name_twice(lexicon: Lexicon, group: str, count: int) -> None:
    names = getattr(lexicon, group)
    assert len(names) == len(set(names)) == count


def test_no_name_belongs_to_two_groups(lexicon: Lexicon) -> None:
    for one, other in combinations(GROUPS, 2):
        assert not set(getattr(lexicon, one)) & set(getattr(lexicon, other))


def test_new_names_share_no_first_name_with_known_ones(lexicon: Lexicon) -> None:
    known, new = ({name.split()[0] for name in names} for names in (lexicon.people, lexicon.new_people))
    assert not known & new


@pytest.mark.parametrize("group", ["people", "new_people"])
def test_every_fourth_person_has_a_family_name(lexicon: Lexicon, group: str) -> None:
    names = getattr(lexicon, group)
    assert [" " in name for name in names] == [i % 4 == 0 for i in range(len(names))]


def test_the_invented_language_has_one_word_for_each_word(lexicon: Lexicon) -> None:
    assert set(lexicon.foreign) == {*words.COLOURS, *words.ANIMALS, *words.VERBS}
    assert len(set(lexicon.foreign.values())) == len(lexicon.foreign)
    assert not set(lexicon.foreign) & set(lexicon.foreign.values())


@pytest.mark.parametrize("name", ["JOBS", "ANIMALS", "FOODS", "OBJECTS", "COLOURS", "INSTRUMENTS", "CARGOES", "VERBS"])
def test_no_list_holds_a_word_twice(name: str) -> None:
    listed = getattr(words, name)
    assert len(listed) == len(set(listed)) >= 8
