"""The text on which toy language models are trained."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from arc_encoder.data.synthetic.toy_world import ToyWorld
from arc_encoder.model.language_models.downloads.places import bundled_folder
from tools.toy_models.lm_text import LanguageModelRows

KINDS = ["questions", "renamed", "joined", "joined_many", "twice", "articles", "summaries", "translations"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(bundled_folder() / "toy_a")


def rows(tokenizer: PreTrainedTokenizerBase, kind: str, seed: int = 0) -> LanguageModelRows:
    return LanguageModelRows(ToyWorld(0, "train"), tokenizer, rows=4, window=256, mix={kind: 1.0}, seed=seed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_full_and_depends_on_its_seed_and_number_alone(tokenizer: PreTrainedTokenizerBase, kind: str) -> None:
    (ids, weights), again = rows(tokenizer, kind)[2], rows(tokenizer, kind)[2]
    assert ids.shape == weights.shape == (257,)
    assert torch.equal(ids, again[0])
    assert torch.equal(weights, again[1])
    assert ids[0] == tokenizer.bos_token_id
    assert not torch.equal(ids, rows(tokenizer, kind)[3][0])
    assert not torch.equal(ids, rows(tokenizer, kind, seed=1)[2][0])


@pytest.mark.parametrize(
    "kind", ["questions", "renamed", "joined", "joined_many", "twice", "summaries", "translations"]
)
def test_what_can_be_copied_weighs_more(tokenizer: PreTrainedTokenizerBase, kind: str) -> None:
    ids, weights = rows(tokenizer, kind)[0]
    heavy = tokenizer.decode(ids[weights > 1])
    assert set(weights.tolist()) <= {0.0, 1.0, 5.0}
    assert heavy
    assert "Question" not in heavy


def test_renamed_documents_hold_no_name_of_the_world(tokenizer: PreTrainedTokenizerBase) -> None:
    lexicon = ToyWorld(0, "train").lexicon
    names = {
        word
        for kind in ("people", "towns", "ships", "rivers", "new_people", "new_towns", "new_ships")
        for name in getattr(lexicon, kind)
        for word in name.split()
    }
    for index in range(4):
        plain = tokenizer.decode(rows(tokenizer, "questions")[index][0][:-8])
        text = tokenizer.decode(rows(tokenizer, "renamed")[index][0][:-8])  # the cut may leave half a word
        assert names & set(plain.replace(".", " ").replace("?", " ").split())
        assert not names & set(text.replace(".", " ").replace("?", " ").split())


def test_a_renamed_answer_stands_in_its_document(tokenizer: PreTrainedTokenizerBase) -> None:
    text = tokenizer.decode(rows(tokenizer, "renamed")[0][0])
    prompts = text.split("Document: ")[1:-1]
    assert prompts
    for prompt in prompts:
        document, *asked = prompt.split("\nQuestion: ")
        for each in asked:
            assert each.split("\nAnswer: ")[1].split("\n")[0].strip() in document


def test_joined_documents_name_nobody_twice_and_hold_the_answers(tokenizer: PreTrainedTokenizerBase) -> None:
    world = ToyWorld(0, "train")
    rows_of_many = LanguageModelRows(world, tokenizer, rows=8, window=2000, mix={"joined": 1.0})
    longest = 0
    for index in range(8):
        first = tokenizer.decode(rows_of_many[index][0]).split("\n\n")[0]
        document, *asked = first.split("\nQuestion: ")
        longest = max(longest, len(document.split()))
        assert asked
        for question in asked:
            assert question.split("\nAnswer: ")[1] in document
    assert longest > 100  # several documents
