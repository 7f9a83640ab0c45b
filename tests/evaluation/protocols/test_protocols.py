"""Protocols: ours, and the public implementation's with its slips."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arc_encoder.core.errors import DataError
from arc_encoder.core.segments import Role
from arc_encoder.data.records import Question
from arc_encoder.evaluation.benchmarks import QuestionAnswering
from arc_encoder.evaluation.protocols import LongDocument, Paper, Strict
from arc_encoder.evaluation.protocols.paper import shuffled
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import Arc, ClosedBook, OpenBook, Prompt, System
from tests.evaluation.conftest import Questions, question
from tests.tiny_models import tiny_tokenizer
from tests.tools.parity import PARITY

GOLDEN = PARITY / "eval"
needs_golden = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason="the recorded prompts (../shared/parity/eval) are not here"
)


def parts(prompt: Prompt) -> tuple[list[str], list[str]]:
    """Texts between the compressed documents as they were recorded, and the documents."""
    texts, contexts = [""], []
    for segment in prompt.sample.segments:
        if segment.role is Role.CONTEXT:
            contexts.append(segment.text)
            texts.append("")
        else:
            texts[-1] += segment.text
    return texts, contexts


def recorded() -> list[Question]:
    lines = [json.loads(line) for line in (GOLDEN / "qa_input.jsonl").read_text().splitlines()]
    questions = []
    for number, line in enumerate(lines):
        answers = line["answer"] if isinstance(line["answer"], list) else [line["answer"]]
        strip = [text.strip() for text in line["passages"]]
        questions.append(
            Question(str(number), line["question"].strip(), tuple(a.strip() for a in answers), tuple(strip), "qa")
        )
    return questions


@needs_golden
@pytest.mark.parametrize(
    ("name", "shots", "passages"),
    [
        ("qa_0shot", 0, 1),
        ("qa_1shot_DUPLICATED_PREFIX", 1, 1),
        ("qa_2shot", 2, 1),
        ("qa_5shot", 5, 1),
        ("qa_2shot_3passages", 2, 3),
    ],
)
def test_the_papers_prompts_are_those_of_the_public_implementation(name: str, shots: int, passages: int) -> None:
    calls = json.loads((GOLDEN / f"{name}.json").read_text())["generate_calls"]
    expected = [pair for call in calls for pair in zip(call["batch_list_prompts"], call["text_to_embed"], strict=True)]
    source: Any = [Question(q.id, q.question, q.answers, q.passages[:passages], q.subset) for q in recorded()]
    paper = Paper()
    chosen = paper.choose("qa", source, None, shots=shots, limit=None, seed=3)
    made = []
    for number, query in enumerate(chosen.questions):
        prompt = Arc().few_shot(chosen.examples_of(number), query, {}, tiny_tokenizer(), paper)
        texts, contexts = parts(prompt)
        made.append((texts, [" ".join(context.split()) for context in contexts]))
    wanted = [(list(texts), [" ".join(each.split()) for each in contexts]) for texts, contexts in expected]
    assert made == wanted


@needs_golden
def test_the_papers_order_is_the_recorded_one() -> None:
    for count, order in json.loads((GOLDEN / "shuffle_seed0.42.json").read_text())["orders"].items():
        assert shuffled(int(count)) == order


@needs_golden
@pytest.mark.parametrize(("system", "wdoc"), [(OpenBook(), True), (ClosedBook(), False)])
@pytest.mark.parametrize("shots", [0, 1, 2])
def test_the_papers_prompts_in_text(system: System, wdoc: bool, shots: int) -> None:
    builders = json.loads((GOLDEN / "prompt_builders.json").read_text())
    kind = "one passage" if wdoc else "no passages"
    (found,) = [
        each["prompt_parts"]
        for each in builders
        if each["docs"] == kind
        and each["max_examples"] == shots
        and each["wdoc"] == wdoc
        and not (each["w_embeds"] or each["cat_multi_passages"] or each["compressed_doc_in_icl"])
    ]
    examples = [question(f"{i}", [f" d{i} "], [f"a{i}"]) for i in range(shots)]
    examples = [Question(q.id, f"q{q.id}", q.answers, q.passages, "qa") for q in examples]
    query = Question("3", "Q?", ("a",), ("d3",), "qa")
    prompt = system.few_shot(examples, query, {}, tiny_tokenizer(), Paper())
    assert [segment.text for segment in prompt.sample.segments] == [part for part in found if part]


def test_the_paper_asks_all_questions_after_the_same_examples() -> None:
    made = QuestionAnswering("colours", Questions(12), examples=Questions(50, "e"), shots=2, protocol=Paper())
    assert made.protocol == "paper"
    drawn = [[q.id for q in made.examples_of(number)] for number in range(len(made.questions))]
    assert len(made.questions) == 10
    assert all(each == drawn[0] for each in drawn)
    assert not {q.id for q in made.questions} & set(drawn[0])
    assert all(name.startswith("q") for name in drawn[0])
    other = QuestionAnswering("colours", Questions(12), shots=2, protocol=Paper(), seed=5)
    assert [q.id for q in other.examples_of(0)] == drawn[0]


def test_first_answers_alone_count_where_the_paper_kept_only_them() -> None:
    for name, accepted in (("squad", ("colour q",)), ("nq_open", ("colour q", "the colour q"))):
        made = QuestionAnswering(name, Questions(4), shots=1, protocol=Paper())
        assert all(len(q.answers) == len(accepted) for q in made.questions)
    assert len(QuestionAnswering("squad", Questions(4), shots=1).questions[0].answers) == 2


def test_strict_joins_all_passages_and_the_paper_those_of_examples() -> None:
    examples, query = [question("one", ["a", "b"])], question("two", ["c", "d"])
    assert Arc().few_shot(examples, query, {}, tiny_tokenizer(), Strict()).documents == ("a\nb", "c\nd")
    assert Arc().few_shot(examples, query, {}, tiny_tokenizer(), Paper()).documents == ("a\nb", "c", "d")


def test_too_few_questions_for_the_papers_examples() -> None:
    with pytest.raises(DataError, match=r"benchmark colours: 5 examples .* only 5 questions .* the paper's protocol"):
        QuestionAnswering("colours", Questions(5), examples=Questions(50), shots=5, protocol=Paper())


@pytest.mark.parametrize("system", [Arc(), OpenBook(), ClosedBook()])
def test_a_long_document_stands_between_what_is_wanted_and_the_question(session: Session, system: System) -> None:
    layout = LongDocument("Story", "Read the story and answer.", answer="Answer")
    prompt = system.few_shot([], question("two", ["c", "d"]), {}, session.decoder.tokenizer, layout)
    texts, contexts = parts(prompt)
    if isinstance(system, Arc):
        assert (texts, contexts) == (
            ["Read the story and answer.\n\nStory:\n", "\n\nQuestion:\nWhat is two?\n\nAnswer:\n"],
            ["c\nd"],
        )
    else:
        story = "Story:\nc\nd\n\n" if isinstance(system, OpenBook) else ""
        assert texts == [f"Read the story and answer.\n\n{story}Question:\nWhat is two?\n\nAnswer:\n"]
    made = QuestionAnswering("long", Questions(3), shots=1, layout=layout, max_new_tokens=2)
    assert made.protocol == "strict"
    assert len(made.run(system, session)) == 2


def test_fixed_examples_are_the_same_for_every_question() -> None:
    source = Questions(60)
    fixed = Strict(fixed_examples=True)
    chosen = fixed.choose("colours", source, None, shots=3, limit=20, seed=1)
    examples = chosen.examples_of(0)
    assert len({example.id for example in examples}) == 3
    assert all(chosen.examples_of(number) == examples for number in range(20))
    assert not {example.id for example in examples} & {asked.id for asked in chosen.questions}
    assert fixed.choose("colours", source, None, shots=3, limit=20, seed=2).examples_of(0) != examples
    assert (fixed.name, Strict().name) == ("fixed", "strict")


def test_fixed_examples_leave_out_questions_about_their_documents() -> None:
    pool = Questions(4)
    chosen = Strict(fixed_examples=True).choose("colours", Questions(6), pool, shots=3, limit=None, seed=0)
    shown = {example.passages for example in chosen.examples_of(0)}
    assert len(chosen.questions) == 3
    assert not shown & {asked.passages for asked in chosen.questions}
    with pytest.raises(DataError, match="every question is about a document of the 3 examples"):
        Strict(fixed_examples=True).choose("colours", Questions(3), Questions(3), shots=3, limit=None, seed=0)


def test_fixed_examples_are_read_once(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """And answers as it does without sharing anything."""
    reads: list[int] = []
    read = type(session.decoder).read_prefix

    def counting(self: Any, embeddings: Any) -> Any:
        reads.append(embeddings.shape[1])
        return read(self, embeddings)

    monkeypatch.setattr(type(session.decoder), "read_prefix", counting)

    def answers(batch_size: int) -> list[str]:
        benchmark = QuestionAnswering(
            "colours", Questions(9), shots=2, limit=6, max_new_tokens=6, protocol=Strict(fixed_examples=True)
        )
        session.batch_size = batch_size
        return [str(result.details["answer"]) for result in benchmark.run(Arc(), session)]

    together = answers(3)
    assert len(reads) == 1
    assert min(reads) > 16
    assert together == answers(1)
    assert len(reads) == 1  # a single prompt shares nothing
