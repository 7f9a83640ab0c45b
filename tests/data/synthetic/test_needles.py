"""Generated recall tests: the answer is where it should be, once, and the grid is whole."""

from __future__ import annotations

from collections import Counter

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.data.synthetic.needles import KeyValues, Needles, Recall
from arc_encoder.data.synthetic.toy_needles import ToyNeedles

SOURCES = [Needles([40, 200], each=3), KeyValues([5, 40], each=3), ToyNeedles([1, 3, 6], [0, 0.5, 1], each=3)]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.subset)
def test_every_cell_of_the_grid_has_as_many_questions(source: Recall) -> None:
    questions = [source[i] for i in range(len(source))]
    cells = Counter(question.conditions for question in questions)
    assert set(cells.values()) == {3}
    assert len(cells) == len(source.lengths) * len(source.depths)
    assert len({question.id for question in questions}) == len(questions)
    first = [source[i].conditions for i in range(len(cells))]
    assert len(set(first)) == len(cells)  # a small limit asks in all of them
    assert [source[i] for i in range(4)] == questions[:4]
    with pytest.raises(IndexError):
        source[len(source)]


@pytest.mark.parametrize("source", SOURCES[:2], ids=lambda source: source.subset)
def test_the_answer_stands_once_at_its_depth(source: Recall) -> None:
    for question in (source[i] for i in range(len(source))):
        (text,), (answer,) = question.passages, question.answers
        assert text.count(answer) == 1
        place = text.index(answer) / len(text)
        depth = dict(question.conditions)["depth"]
        assert abs(place - depth) < 0.3
    lengths = {dict(q.conditions)["length"]: len(q.passages[0]) for q in (source[i] for i in range(len(source)))}
    short, long = sorted(lengths)
    assert lengths[long] > 3 * lengths[short]


def test_only_one_document_of_the_toy_world_is_about_the_question() -> None:
    source = ToyNeedles([5], [0, 1], each=4)
    for question in (source[i] for i in range(len(source))):
        assert question.answers[0] in question.passages[0]
    assert len(ToyNeedles([1], [0.5])[0].passages[0]) < len(ToyNeedles([5], [0.5])[0].passages[0])


@pytest.mark.parametrize("wrong", [{"lengths": []}, {"lengths": [0]}, {"depths": [1.5]}, {"depths": []}, {"each": 0}])
def test_mistakes_are_named(wrong: dict[str, list[int]]) -> None:
    with pytest.raises(ConfigError, match=r"needle: .*(lengths|depths)"):
        Needles(**{"lengths": [10], **wrong})
