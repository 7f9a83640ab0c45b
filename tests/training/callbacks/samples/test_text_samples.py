"""TextSamples: expected and generated text side by side in TensorBoard."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from arc_encoder.core.segments import Role, Sample, Segment, TaskToken
from arc_encoder.data.tasks import Reconstruction
from arc_encoder.training.callbacks import TextSamples
from arc_encoder.training.callbacks.samples.text_samples import as_table, prompt_of
from tests.training.conftest import Fit, Texts, data_module, two_decoders

HEADER = "| expected | generated |\n|---|---|\n"


def texts_of(folder: Path) -> dict[str, list[tuple[int, str]]]:
    """Tag → (step, text) of everything written as text."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    tags = [tag for tag in events.Tags()["tensors"] if tag.endswith("/text_summary")]
    return {tag: [(e.step, e.tensor_proto.string_val[0].decode()) for e in events.Tensors(tag)] for tag in tags}


def test_samples_of_every_task_and_decoder_are_written_after_each_validation(fit: Fit, tmp_path: Path) -> None:
    validation = {"held_out": Reconstruction(Texts(["the first", "a | second\nline"]))}
    data = data_module(("first", "second"), validation=validation)
    board = TensorBoardLogger(tmp_path, name="", version="")
    _, module = fit(
        TextSamples(count=2, max_new_tokens=5),
        model=two_decoders(),
        data=data,
        steps=4,
        val_check_interval=2,
        logger=board,
    )
    found = texts_of(tmp_path)
    assert found.keys() == {f"samples/{decoder}/held_out/text_summary" for decoder in ("first", "second")}
    for decoder in ("first", "second"):
        written = found[f"samples/{decoder}/held_out/text_summary"]
        assert [step for step, _ in written] == [2, 4]
        task = validation["held_out"]
        samples = [task.sample(i, data.seed, data.collator.encoder_tokenizer) for i in range(2)]
        batch = data.collator([prompt_of(sample) for sample in samples], decoder=decoder, task="held_out")
        assert written[1][1] == as_table(samples, module.model.generate(batch, max_new_tokens=5))
        expected = {line.split(" | ")[0] for line in written[1][1].replace(r"\|", "/").removeprefix(HEADER).split("\n")}
        assert expected == {"| the first", "| a / second ↵ line"}


def test_without_tensorboard_nothing_is_generated(fit: Fit, tmp_path: Path) -> None:
    data = data_module(validation={"held_out": Reconstruction(Texts(["the first"]))})
    fit(TextSamples(max_new_tokens=10**6), data=data, logger=CSVLogger(tmp_path))  # would not fit the decoder's window
    fit(TextSamples(max_new_tokens=10**6), data=data)


def test_the_prompt_is_everything_before_the_last_target() -> None:
    segments = (
        Segment("a", Role.PLAIN),
        Segment("b", Role.TARGET),
        Segment("c", Role.CONTEXT),
        Segment("d", Role.TARGET),
    )
    prompt = prompt_of(Sample("x", segments, TaskToken.RECONSTRUCT, end_of_text=True))
    assert prompt == Sample("x", segments[:3], TaskToken.RECONSTRUCT, end_of_text=False)


def test_the_table_survives_bars_and_line_breaks() -> None:
    sample = Sample("x", (Segment("one | two\nthree ", Role.TARGET),))
    assert as_table([sample], ["a\nb|"]) == HEADER + r"| one \| two ↵ three | a ↵ b\| |"
