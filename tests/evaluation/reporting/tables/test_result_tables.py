"""Results as a Markdown table."""

from __future__ import annotations

from dataclasses import replace

from arc_encoder.evaluation.reporting.tables.result_tables import cost_table, label, markdown_table
from arc_encoder.evaluation.runs.results import Part, Row
from tests.evaluation.reporting.conftest import cost_of, part


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


def columns(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if "---" not in line]


def test_shots_seeds_and_protocols_are_lines_of_their_own() -> None:
    first = row("arc", "f1", 1.0, 4)
    seeds = [
        replace(first, shots=shots, seed=seed, value=10.0 * shots + seed) for shots in (0, 1, 5) for seed in (0, 1)
    ]
    lines = columns(markdown_table(seeds))
    assert lines[0][:5] == ["benchmark", "shots", "seed", "system", "F1 %"]
    assert [(line[1], line[2], line[4].split()[0]) for line in lines[1:]] == [
        ("0", "0", "0.0"), ("0", "1", "1.0"), ("1", "0", "10.0"), ("1", "1", "11.0"), ("5", "0", "50.0"), ("5", "1", "51.0"),
    ]  # fmt: skip
    lines = columns(markdown_table([first, replace(first, protocol="paper", value=2.0)]))
    assert [line[1] for line in lines] == ["protocol", "strict", "paper"]
    # benchmarks that each have one number of shots need no column
    assert "shots" not in markdown_table([first, replace(first, benchmark="other", shots=0)])


def test_costs_of_several_shots_and_decoders_are_told_apart() -> None:
    costs = [cost_of(part(shots=0), 10), cost_of(part(shots=5), 60), cost_of(part(decoder="toy_b"), 70)]
    lines = columns(cost_table(costs))
    assert lines[0][:4] == ["decoder", "benchmark", "shots", "system"]
    assert [line[:3] for line in lines[1:]] == [
        ["toy_a", "toy_qa", "0"], ["toy_a", "toy_qa", "5"], ["toy_b", "toy_qa", "5"],
    ]  # fmt: skip


def test_systems_that_change_the_decoder_are_marked() -> None:
    rows = [row("pisco", "f1", 1.0), row("arc", "f1", 2.0, 4)]
    parts = [Part(*(getattr(each, name) for name in Part.__dataclass_fields__)) for each in rows]
    costs = [replace(cost_of(each, 10), decoder_modified=each.system == "pisco") for each in parts]
    assert [line[1] for line in columns(markdown_table(rows, costs))[1:]] == ["pisco (decoder modified)", "arc ×4"]
    assert "modified" not in markdown_table(rows)
