"""Systems that show text get the decoder as it came, and their budget from the compressor beside them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from arc_encoder.core.segments import Role, Sample, Segment
from arc_encoder.data.batching.collator import ArcCollator, DecoderText
from arc_encoder.evaluation.runs.runner import run_parts
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import Arc, ClosedBook, OpenBook, System, Truncate
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.assembly.build import head_settings
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.pooling import MeanPooling, MemoryTokens
from arc_encoder.model.heads.decoder_adapter import DecoderLora
from arc_encoder.model.heads.projectors import MLPProjector
from tests.evaluation.benchmarks.test_benchmarks import benchmark
from tests.evaluation.conftest import Questions
from tests.tiny_models import WIDTH, tiny_body, tiny_decoder, tiny_tokenizer

TEXT = Sample("x", (Segment("It is told that", Role.PLAIN), Segment(" it rains.", Role.TARGET)))


def with_changes(*, count: int | None = None) -> Session:
    """A compressor that changes its decoder, as PISCO does; with `count` memory tokens, or pooling by 4."""
    torch.manual_seed(0)
    decoder = tiny_decoder(seed=7)
    head = head_settings(MLPProjector(WIDTH, decoder.width, 16), True, DecoderLora(rank=4).settings_for(decoder.model))
    pooling = MeanPooling(4) if count is None else MemoryTokens(count)
    compressor = ArcEncoderModel.build(tiny_body(), pooling, {"decoder": head})
    adapter = compressor.head("decoder").adapter
    assert adapter is not None
    for b in adapter.b:
        nn.init.normal_(b, std=0.5)
    texts = {"decoder": DecoderText(tiny_tokenizer())}
    plain = ArcForCausalLM(None, {"decoder": decoder}).eval()
    collator = ArcCollator(tiny_tokenizer(), texts)
    return Session(plain, collator, "decoder", progress=False).with_compressor(compressor)


def loss(session: Session) -> float:
    ((total, _),) = session.model.sample_losses(session.collate([TEXT], "t"))
    return total


@pytest.mark.parametrize("system", [OpenBook(), ClosedBook(), Truncate()])
def test_the_decoder_is_as_it_came(system: System, text_session: Session) -> None:
    session = with_changes()
    assert loss(system.open(session)) == loss(text_session) != loss(session)
    assert not system.open(session).model.decoder_modified
    assert system.open(text_session) is text_session
    assert Arc().open(session).model.decoder_modified


def test_budgets_stay_those_of_the_compressor() -> None:
    session = with_changes()
    session.factor = 8
    assert Truncate().open(session).budgets(["x" * 17]) == session.budgets(["x" * 17]) == {"x" * 17: 3 + 1}


def test_costs_say_whose_decoder_was_changed() -> None:
    _, costs = run_parts(
        {"open_book": OpenBook(), "arc": Arc()}, [benchmark()], with_changes(), price=lambda *args, **kwargs: (0.0, 0.0)
    )
    assert {cost.system: cost.decoder_modified for cost in costs} == {"open_book": False, "arc": True}


def test_beside_a_fixed_number_of_vectors_a_budget_has_no_factors() -> None:
    session = with_changes(count=3)
    rows, _ = run_parts(
        {"arc": Arc(), "truncate": Truncate()}, [benchmark(source=Questions(9))], session, factors=[4, 8]
    )
    assert {(row.system, row.pooling_factor) for row in rows} == {("arc", None), ("truncate", None)}
