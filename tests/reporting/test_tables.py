"""Results as a Markdown table."""

from __future__ import annotations

from arc_encoder.evaluation.results import Row
from arc_encoder.reporting.tables import label, markdown_table


def row(
    system: str, metric: str, value: float, factor: int | None = None, decoder: str = "d", benchmark: str = "qa"
) -> Row:
    return Row(system, decoder, factor, benchmark, 1, "strict", 5, 0, metric, value, value - 1, value + 1, 10, 12.34)


ROWS = [
    row("closed_book", "exact_match", 10.0),
    row("closed_book", "f1", 20.0),
    row("arc", "exact_match", 30.0, 4),
    row("arc", "loss", 1.5, 4, benchmark="continuation"),
    row("arc", "perplexity", 4.5, 4, benchmark="continuation"),
]


def test_the_table_letter_by_letter() -> None:
    assert markdown_table(ROWS).splitlines() == [
        "| benchmark    | system      | EM %              | F1 %              | loss (nats/token)    | positions for documents |",
        "| ------------ | ----------- | ----------------- | ----------------- | -------------------- | ----------------------- |",
        "| qa           | closed_book | 10.0 [9.0, 11.0]  | 20.0 [19.0, 21.0] |                      | 12.3                    |",
        "| qa           | arc ×4      | 30.0 [29.0, 31.0] |                   |                      | 12.3                    |",
        "| continuation | arc ×4      |                   |                   | 1.500 [0.500, 2.500] | 12.3                    |",
    ]


def test_several_decoders_get_a_column() -> None:
    lines = markdown_table([row("arc", "f1", 1.0, 4), row("arc", "f1", 2.0, 4, decoder="other")]).splitlines()
    assert lines[0].startswith("| decoder")
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["d", "other"]


def test_labels_name_the_factor() -> None:
    assert label(row("arc", "f1", 1.0, 8)) == "arc ×8"
    assert label(row("open_book", "f1", 1.0)) == "open_book"
