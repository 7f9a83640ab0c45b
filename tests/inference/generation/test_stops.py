"""Ending an answer at one of several texts."""

from __future__ import annotations

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.inference.generation.stops import cut, cut_pieces, stop_texts


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("stops", [[], ["###"], ["\n", "###"], ["world", "wor"], ["nowhere"]])
def test_pieces_of_any_size_give_the_same_as_the_whole(size: int, stops: list[str]) -> None:
    text = "hello ## world ###\nmore"
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert "".join(cut_pieces(pieces, stops)) == cut(text, stops)


def test_what_may_become_a_stop_is_held_back() -> None:
    assert "".join(cut_pieces(iter(["a#", "#", "b", "##", "#c"]), ["###"])) == "a##b"


def test_settings() -> None:
    assert stop_texts(None) == []
    assert stop_texts("a") == ["a"]
    for wrong in ("", ["a", ""], [3]):
        with pytest.raises(ConfigError, match="stop="):
            stop_texts(wrong)  # type: ignore[arg-type]
