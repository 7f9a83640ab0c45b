"""Each conversion on rows in the original format and in the hub's."""

from __future__ import annotations

import pytest

from arc_encoder.core.errors import DataError
from arc_encoder.tools.preparation import LeftOut
from arc_encoder.tools.preparation.conversion import Conversion, Row, pick
from arc_encoder.tools.preparation.conversions.documents import NarrativeQa, Scrolls, Squality, Summaries
from arc_encoder.tools.preparation.conversions.passages import Drop, HotpotQa, Qed, Quac, Reading, Squad
from arc_encoder.tools.preparation.conversions.questions import MultiQa, OpenQuestions, Questions
from arc_encoder.tools.preparation.conversions.texts import Flores, Paraphrases, PlainText


def all_of(conversion: Conversion, row: Row) -> list[object]:
    return list(conversion.records(row))


def test_squad_keeps_all_answers_once_in_both_formats() -> None:
    table = {
        "question": " Who? ",
        "context": "Ann did.",
        "answers": {"text": ["Ann", "Ann did", "Ann"], "answer_start": [0, 0, 0]},
    }
    expected = {"question": "Who?", "answers": ["Ann", "Ann did"], "passages": ["Ann did."]}
    assert all_of(Squad(), table) == [expected]
    answers = [{"text": text, "answer_start": 0} for text in ("Ann", "Ann did", "Ann")]
    article = {
        "title": "t",
        "paragraphs": [{"context": "Ann did.", "qas": [{"question": "Who?", "answers": answers, "id": "1"}]}],
    }
    assert all_of(Squad(), article) == [{**expected, "document": "t"}]
    assert all_of(Squad(), {**table, "title": "t"}) == [{**expected, "document": "t"}]
    assert all_of(Squad(), {**table, "answers": {"text": []}}) == [LeftOut("no answer")]


def test_open_questions_put_aliases_together() -> None:
    assert all_of(OpenQuestions(["question"], ["answer"]), {"question": "q", "answer": ["a", "b"]}) == [
        {"question": "q", "answers": ["a", "b"]}
    ]
    trivia = OpenQuestions(
        ["question", "Question"], ["answer.value", "answer.aliases", "Answer.Value", "Answer.Aliases"]
    )
    assert all_of(trivia, {"question": "q", "answer": {"value": "b", "aliases": ["a", "b"]}}) == [
        {"question": "q", "answers": ["b", "a"]}
    ]
    assert all_of(trivia, {"Question": "q", "Answer": {"Value": "b", "Aliases": ["c"]}}) == [
        {"question": "q", "answers": ["b", "c"]}
    ]
    assert OpenQuestions.needs_passages
    assert not Squad.needs_passages


def test_hotpot_joins_sentences_without_titles() -> None:
    table = {
        "question": "q",
        "answer": "yes",
        "context": {"title": ["A", "B"], "sentences": [["One.", " Two."], ["Three."]]},
    }
    expected = {"question": "q", "answers": ["yes"], "passages": ["One. Two.", "Three."]}
    assert all_of(HotpotQa(), table) == [expected]
    original = {**table, "context": [["A", ["One.", " Two."]], ["B", ["Three."]]]}
    assert all_of(HotpotQa(), original) == [expected]
    assert all_of(HotpotQa(titles=True), original) == [{**expected, "passages": ["A\nOne. Two.", "B\nThree."]}]


def test_flores_gives_a_record_for_each_language() -> None:
    row = {"sentence_eng_Latn": "Hello.", "sentence_fra_Latn": "Bonjour.", "sentence_deu_Latn": "Hallo."}
    found = all_of(Flores({"fra_Latn": "French", "deu_Latn": "German"}), row)
    assert found[0] == {
        "question": "Translate the previous document into French.",
        "answers": ["Bonjour."],
        "passages": ["Hello."],
    }
    assert len(found) == 2
    assert all_of(Flores({"fra_Latn": "French"}), {"eng_Latn": "Hello.", "fra_Latn": "Bonjour."}) == found[:1]


def test_summaries_leave_long_documents_out() -> None:
    conversion = Summaries(["dialogue"], ["summary"], max_characters=10)
    assert all_of(conversion, {"dialogue": "A: hi", "summary": "They met."}) == [
        {"question": "Summarize the previous document.", "answers": ["They met."], "passages": ["A: hi"]}
    ]
    assert all_of(conversion, {"dialogue": "x" * 10, "summary": "s"}) == [LeftOut("document of 10 characters or more")]


def test_narrative_qa_and_scrolls() -> None:
    row = {
        "document": {"text": "Once."},
        "question": {"text": "When?"},
        "answers": [{"text": "Once"}, {"text": "then"}],
    }
    expected = {"question": "When?", "answers": ["Once", "then"], "passages": ["Once."]}
    assert all_of(NarrativeQa(), row) == [expected]
    assert all_of(Scrolls(), {"input": "When?\n\nOnce.\n\nThen.", "output": "Once"}) == [
        {"question": "When?", "answers": ["Once"], "passages": ["Once.\n\nThen."]}
    ]
    assert all_of(Scrolls(), {"input": "no line", "output": "x"}) == [
        LeftOut("no blank line between question and document")
    ]


def test_multi_qa_takes_its_prefix_and_no_missing_answer() -> None:
    conversion = MultiQa(["msmarco"], ["No Answer Present"])
    assert all_of(conversion, {"id": "ms_marco_12", "content": "q", "label": ["No Answer Present.", "a"]}) == [
        {"question": "q", "answers": ["a"]}
    ]
    assert all_of(conversion, {"id": "MS-MARCO13", "question": "q", "answers": ["No Answer Present."]}) == [
        LeftOut("no answer")
    ]
    assert all_of(conversion, {"id": "sciq-7", "content": "q", "label": ["a"]}) == [
        LeftOut("another set: id begins with 'sciq'")
    ]


def test_drop_takes_the_first_span() -> None:
    table = {"passage": "p", "question": "q", "answers_spans": {"spans": ["3", "three"], "types": ["number", "span"]}}
    expected = {"question": "q", "answers": ["3"], "passages": ["p"]}
    assert all_of(Drop(), table) == [expected]
    assert all_of(Drop(all_spans=True), table) == [{**expected, "answers": ["3", "three"]}]
    pairs = [
        {"question": "q", "answer": {"number": "3", "spans": [], "date": {}}},
        {"question": "q", "answer": {"number": "", "spans": [], "date": {"day": "1", "month": "May", "year": "1900"}}},
    ]
    assert all_of(Drop(), {"passage": "p", "qa_pairs": pairs}) == [expected, {**expected, "answers": ["1 May 1900"]}]


def test_paraphrases_are_over_100_characters_on_both_sides() -> None:
    long, short = "x" * 101, "y" * 100
    assert all_of(Paraphrases(), {"src": long, "tgt": long})[0] == {
        "question": "Paraphrase the previous text.", "answers": [long], "passages": [long],
    }  # fmt: skip
    for row in ({"sentence1": long, "sentence2": short}, {"sentence1": short, "sentence2": long}):
        assert all_of(Paraphrases(), row) == [LeftOut("a sentence of 100 characters or fewer")]


def test_plain_text() -> None:
    assert all_of(PlainText(), {"content": " a text "}) == [{"text": "a text"}]
    assert all_of(PlainText(title="title"), {"text": "t", "title": "T"}) == [{"text": "T\nt"}]
    assert all_of(PlainText(min_characters=5), {"text": "abc"}) == [LeftOut("text of fewer than 5 characters")]
    assert all_of(PlainText(score="quality", min_score=0.2), {"text": "t", "quality": 0.1}) == [
        LeftOut("quality below 0.2")
    ]


def test_records_in_the_projects_form_pass() -> None:
    row = {"question": "q", "answer": "a", "passage": "p", "instruction": "i", "more": 1}
    assert all_of(Questions(), row) == [{"question": "q", "answers": ["a"], "passages": ["p"], "instruction": "i"}]
    assert all_of(Questions(), {"question": "q", "answer": "a", "passages": [" "]}) == [LeftOut("empty passage")]


def test_a_missing_field_lists_the_fields_found() -> None:
    with pytest.raises(DataError, match=r"no field 'context' or 'passage'; it has: text, answers \{text\}"):
        pick({"text": 1, "answers": {"text": []}}, "context", "passage")
    assert pick({"a": None, "b": {"c": 2}}, "a", "b.c") == 2


def test_reading_sets() -> None:
    assert all_of(Reading(), {"question": "is it", "answer": True, "passage": "p", "title": "t"}) == [
        {"question": "is it", "answers": ["yes"], "passages": ["p"]}
    ]
    musique = Reading(answers=["answer", "answer_aliases"], passages=["paragraphs"], passage_text="paragraph_text")
    paragraphs = [{"idx": 0, "title": "t", "paragraph_text": "one"}, {"idx": 1, "title": "u", "paragraph_text": "two"}]
    row = {"question": "q", "answer": "a", "answer_aliases": ["b", "a"], "paragraphs": paragraphs}
    assert all_of(musique, row) == [{"question": "q", "answers": ["a", "b"], "passages": ["one", "two"]}]
    with pytest.raises(DataError, match="no field 'answer' or 'answer_aliases'"):
        all_of(musique, {"question": "q", "paragraphs": paragraphs})


def test_quac_leaves_unanswerable_questions_out_in_both_formats() -> None:
    expected = [{"question": "who", "answers": ["Ann", "Ann B"], "passages": ["Ann B did."]}, LeftOut("unanswerable")]
    table = {
        "context": "Ann B did. CANNOTANSWER",
        "questions": ["who", "why"],
        "answers": {"texts": [["Ann", "Ann B"], ["CANNOTANSWER"]]},
    }
    assert all_of(Quac(), table) == expected
    turns = [
        {"question": "who", "answers": [{"text": "Ann"}, {"text": "Ann B"}]},
        {"question": "why", "answers": [{"text": "CANNOTANSWER"}]},
    ]
    assert all_of(Quac(), {"paragraphs": [{"context": "Ann B did. CANNOTANSWER", "qas": turns}]}) == expected


def test_squality_gives_a_record_for_each_question() -> None:
    row = {
        "document": "story",
        "questions": [{"question_text": "plot?", "responses": [{"response_text": "a"}, {"response_text": "b"}]}],
    }
    assert all_of(Squality(), row) == [{"question": "plot?", "answers": ["a", "b"], "passages": ["story"]}]


def test_qed_leaves_out_what_the_paragraph_does_not_answer() -> None:
    spans = [[{"start": 0, "end": 3, "string": "Ann"}], [{"start": 4, "end": 6, "string": "Bob"}, {"string": "Ann"}]]
    row = {"question_text": "who did it", "paragraph_text": "Ann and Bob did .", "original_nq_answers": spans}
    expected = {"question": "who did it", "answers": ["Ann", "Bob"], "passages": ["Ann and Bob did ."]}
    assert all_of(Qed(), row) == [expected]
    flat = {**row, "original_nq_answers": spans[1], "annotation": {"explanation_type": "single_sentence"}}
    assert all_of(Qed(), flat) == [{**expected, "answers": ["Bob", "Ann"]}]
    none = {**row, "annotation": {"explanation_type": "none"}}
    assert all_of(Qed(), none) == [LeftOut("the paragraph does not answer the question")]
    with pytest.raises(DataError, match="paragraph_text"):
        all_of(Qed(), {"question": "q", "original_nq_answers": spans})
