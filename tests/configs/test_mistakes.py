"""Mistakes on the command line: all named at once, each with what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from arc_encoder.commands.experiments import evaluate, train
from arc_encoder.config.building import training
from tests.commands.conftest import Make
from tests.tiny_runs import Command, model_overrides, short_overrides


@pytest.fixture
def run(make: Make) -> Command:
    return make(train.main)


@pytest.fixture
def base(tiny_model: Path) -> list[str]:
    return [*model_overrides(tiny_model), *short_overrides(steps=2), "paths.run=out"]


def lines(errors: str) -> list[str]:
    return [line.removeprefix("  - ") for line in errors.splitlines()[1:]]


def test_all_mistakes_are_named_at_once(run: Command, base: list[str], tmp_path: Path) -> None:
    errors = run.fails(
        *base,
        "optim.encoder_lrr=1e-3",  # a misspelt key
        "model/pooling=meen",  # a misspelt choice
        "data.batch_size=many",  # a wrong type
        "+model.chunking.colour=red",  # an unknown key, added
        "model.pooling.factor=0",  # an impossible value
        "+callbacks.mine._target_=arc_encoder.training.callbacks.Nothing",  # nothing of that name
        "threads=0",
    )
    assert errors.startswith("error: 7 mistakes in the configuration:\n")
    found = lines(errors)
    assert len(found) == 7
    expected = {
        "model/pooling=meen: no such choice (did you mean 'mean'?); valid choices: fusion, kmeans, last, mean, memory_tokens, sum",
        "optim.encoder_lrr: there is no 'encoder_lrr' in optim (did you mean 'encoder_lr'?); valid choices: betas, "
        "encoder_lr, eps, final_lr, projector_lr, start_lr, task_token_lr, train_embeddings, train_encoder, train_layers, warmup_steps, weight_decay",
        "threads=0: expected a whole number from 1 on",
        "model.chunking.colour: unknown key; valid choices: max_chunks, overflow, size",
        "model.pooling: pooling factor 0 is not possible: give a whole number from 1 on (4 and 8 are usual)",
    }
    assert expected <= set(found)
    rest = sorted(set(found) - expected)
    assert rest[0].startswith("callbacks.mine._target_: cannot import 'arc_encoder.training.callbacks.Nothing'")
    assert rest[1].startswith("data.batch_size='many': Input should be a valid integer")
    assert not (tmp_path / "out").exists()


# Mistakes that are found before anything runs: (override, what is said). Those of a group are made together.
FOUND_AT_ONCE = {
    "names": [
        (
            "trainr.max_steps=3",
            "there is no 'trainr' (did you mean 'trainer'?); valid choices: callbacks, ckpt, data, ",
        ),
        ("trainer.max_step=3", "there is no 'max_step' in trainer (did you mean 'max_steps'?)"),
        ("~optim.nothing", "there is no 'nothing' in optim"),
        ("+nothing=3", "nothing: unknown key; valid keys: callbacks, ckpt, data, decoders"),
        ("+trainer.max_epoch=3", "trainer.max_epoch: unknown key (did you mean 'max_epochs'?)"),
        ("model/projector=lienar", "did you mean 'linear'?); valid choices: gelu, linear, mlp, rms"),
        ("experiment=toy/pretrian", "experiment=toy/pretrian: no such choice (did you mean 'toy/pretrain'?)"),
        ("debug=null", "debug=null: a group takes one of its choices (fast), or leave it out"),
        ("data=toy_pretrian", "data=toy_pretrian: no such choice (did you mean 'toy_pretrain'?)"),
    ],
    "values": [
        ("model.pooling.factor=four", "model.pooling.factor='four': Input should be a valid integer"),
        ("model.pooling.where=inside", "model.pooling.where='inside': Input should be 'queries', 'block' or 'between'"),
        ("trainer.precision=fp8", "trainer.precision='fp8'"),
        ("optim.encoder_lr=-1", "optim.encoder_lr=-1"),
        ("model.encoder.path=nowhere", "model.encoder: no encoder backbone at 'nowhere'"),
        ("+data.decoder_weights={other: 1}", "data.decoder_weights lacks decoder 'huggingface'"),
        ("data.tasks.random_queries.part=0", "data.tasks.random_queries: continuation: part=0 must be at least 1"),
        ("callbacks.context_window.growth={1: 0}", "callbacks.context_window: context window: chunk_size=1024"),
        ("callbacks.mixed_precision.decoder_dtype=int8", "decoder_dtype='int8' is unknown; choose one of float32"),
        ("seed=-1", "seed=-1: expected a whole number from 0 on"),
    ],
    "combinations": [
        ("model.pooling.schedule=[2,2,1]", "has 3 steps, but the truncated encoder has only 2 layers"),
        ("optim.train_layers=[0,2,-3]", "optim: train_layers=[0, 2, -3]: the encoder has no layer 2, -3; it has 2,"),
        ("optim.warmup_steps=3", "optim.warmup_steps=3 must be smaller than trainer.max_steps=2"),
        ("trainer.val_check_interval=3", "trainer.val_check_interval=3 is longer than the run of 2 batches"),
    ],
    "edges": [
        ("model.pooling.schedule=[2,4]", "pooling schedule [2, 4] pools by 8 in all, but factor is 4"),
        ("model.encoder.truncate_layers=2", "truncate_layers=2 is not possible"),
        ("optim.warmup_steps=2", "optim.warmup_steps=2 must be smaller than trainer.max_steps=2"),
    ],
}


@pytest.mark.parametrize("kind", sorted(FOUND_AT_ONCE))
def test_mistakes_are_named_together(run: Command, base: list[str], kind: str) -> None:
    cases = FOUND_AT_ONCE[kind]
    errors = run.fails(*base, *(override for override, _ in cases))
    assert [words for _, words in cases if words not in errors] == []
    assert len(lines(errors)) == len(cases), errors


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("trainer.precision=bf16-true", "would not keep float32 master weights"),
        ("trainer.accelerator=quantum", "Lightning refuses the trainer's settings"),
        ("decoders.huggingface.path=nowhere", "no decoder could be loaded from 'nowhere'"),
        (
            "decoders.huggingface.dtype=int4",
            "decoder dtype 'int4' is unknown; choose one of float32, bfloat16, float16, auto",
        ),
        ("data.factors={0: 1}", "pooling factor 0 is not possible"),
        ("model.pooling.factor=[1", "model.pooling.factor=[1"),
    ],
)
def test_what_shows_later_is_named_too(run: Command, base: list[str], given: str, words: str) -> None:
    assert words in run.fails(*base, given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["model/pooling=kmeans", "model.encoder.causal=true"], "model.pooling: KMeansPooling cannot be causal"),
        (
            ["optim.train_encoder=false", "optim.train_layers=[0]"],
            "train_layers=[0] has no effect without train_encoder",
        ),
        (["model/encoder/adapter=lora", "model.encoder.adapter.rank=0"], "model.encoder.adapter: LoRA: rank=0"),
        (["model/encoder/adapter=lora", "model.encoder.adapter.ranks=4"], "'ranks' in model.encoder.adapter (did you"),
        (["model/encoder/adapter=lora", "optim.train_encoder=false"], "the encoder's adapter is not trained"),
        (["model/encoder/adapter=lorra"], "model/encoder/adapter=lorra: no such choice (did you mean 'lora'?)"),
    ],
)
def test_what_the_encoder_cannot_do(run: Command, base: list[str], given: list[str], words: str) -> None:
    if "adapter without" in words:
        pytest.importorskip("peft", reason="needs the extra lora (peft)")
    assert words in run.fails(*base, *given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["growth=linear", "data.growth.until=2"], "data.growth: growth: until=2 must be a share of the run"),
        (["growth=linear", "data.growth.start=5"], "data.growth: start=5 is above the pooling factor 4"),
        (["growth=geometric", "model.pooling.schedule=[2,2]"], "data.growth: pooling factor"),
        (
            ["growth=linear", "model/pooling=memory_tokens"],
            "data.growth: this pooling has no factor",
        ),
        (
            ["model/start=mean_embeddings", "model/pooling=kmeans"],
            "model.start: KMeansPooling does not go with a start",
        ),
        (["model/start=mean_embeddings", "model.pooling.where=middle"], "where='middle'"),
        (["model.gain=0"], "model.gain=0 must be above 0"),
        (["model.layer_mix=true", "model.encoder.truncate_layers=1"], "model.layer_mix=true needs a layer before"),
        (["objective=distillation", "objective.divergence=0"], "nothing is distilled; choose objective=cross_entropy"),
        (["objective=distilation"], "objective=distilation: no such choice (did you mean 'distillation'?)"),
        (
            [
                "objective=distillation",
                "+data.tasks.long._target_=arc_encoder.data.tasks.FewShot",
                "+data.tasks.long.source._target_=arc_encoder.data.synthetic.toy_sources.ToyQuestions",
                "+data.tasks.long.source.kind=qa",
                "+data.tasks.long.max_tokens=null",
            ],
            "objective: data.tasks.long has documents of any length",
        ),
    ],
)
def test_ways_to_learn_that_cannot_work(
    run: Command, base: list[str], given: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named before any weight is loaded."""
    monkeypatch.setattr(training, "build_decoders", lambda *_: pytest.fail("weights were loaded"))
    assert words in run.fails(*base, *given)


def test_no_decoder_at_all(run: Command, base: list[str]) -> None:
    kept = [each for each in base if not each.startswith("decoder")]
    assert "no decoder was given; choose at least one" in run.fails(*kept, "decoder=[]")


def test_a_value_for_a_key_without_one_is_taken(run: Command, base: list[str], tmp_path: Path) -> None:
    """`???` in a group is there to be filled from the command line."""
    assert any(each.startswith("decoders.huggingface.path=") for each in base)
    run(*base, "data.factors={2: 1, 4: 3}", "callbacks.context_window.growth={1: 40}")
    assert (tmp_path / "out" / "compressor" / "config.json").is_file()
    errors = run.fails("decoder=huggingface", "data=jsonl_pretrain", "model/encoder=huggingface")
    assert {line.split(":")[0] for line in lines(errors)} == {
        "decoders.huggingface.path",
        "model.encoder.path",
        "data.tasks.reconstruction.source.path",
        "data.tasks.continuation.source.path",
    }


def test_questions_of_one_s_own_need_a_path(make: Make) -> None:
    errors = make(evaluate.main).fails("system=open_book", "benchmark=local")
    assert lines(errors) == ["benchmarks.local: benchmark: give the path of a JSONL file with questions"]


def test_a_group_of_one_s_own(run: Command, base: list[str], tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "model" / "pooling"
    mine.mkdir(parents=True)
    (mine / "ours.yaml").write_text("_target_: arc_encoder.model.encoder.pooling.LastPooling\nfactor: 2\n")
    run("--config-dir", str(tmp_path / "mine"), "model/pooling=ours", *base)
    config = (tmp_path / "out" / "compressor" / "config.json").read_text()
    assert '"LastPooling"' in config
    assert '"factor": 2' in config
    errors = run.fails("--config-dir", "mine", "model/pooling=our", *base)
    assert "did you mean 'ours'?); valid choices: fusion, kmeans, last, mean, memory_tokens, ours, sum" in errors


def test_a_class_of_one_s_own(run: Command, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A student's module beside the configuration: bound to its signature like our own."""
    (tmp_path / "students_pooling.py").write_text(
        "from arc_encoder.model.encoder.pooling import MeanPooling\n\n\n"
        "class Halved(MeanPooling):\n"
        "    def __init__(self, factor: int = 4, strength: float = 0.5) -> None:\n"
        "        super().__init__(factor)\n"
        "        self.strength = strength\n\n"
        "    def reduce(self, grouped, mask):\n"
        "        return self.strength * super().reduce(grouped, mask)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    mine = tmp_path / "mine" / "model" / "pooling"
    mine.mkdir(parents=True)
    (mine / "halved.yaml").write_text("_target_: students_pooling.Halved\nfactor: 4\nstrength: 0.5\n")
    run("--config-dir", "mine", "model/pooling=halved", *base)
    assert '"Halved"' in (tmp_path / "out" / "compressor" / "config.json").read_text()
    errors = run.fails("--config-dir", "mine", "model/pooling=halved", "model.pooling.strength=strong", *base)
    assert "model.pooling.strength='strong': Input should be a valid number" in errors


def test_a_missing_config_folder(run: Command) -> None:
    assert "--config-dir nowhere: no such folder" in run.fails("--config-dir", "nowhere")


def test_output_folders_that_cannot_be_written(run: Command, base: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    errors = run.fails(*[each for each in base if each != "paths.run=out"], "paths.run=file")
    assert "the run's folder file cannot be written" in errors
    assert "choose another with paths.run=<folder>" in errors
    for place in ("file", "file/logs", "/proc/logs"):  # which nobody can make, root neither
        errors = run.fails(*base, f"paths.logs={place}")
        assert "the output folder " in errors
        assert "choose another with paths.logs=<folder>" in errors
    assert "file is no folder" in run.fails(*base, "hydra.run.dir=file")


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            ["experiment=toy/finetune", "model.pooling.factor=2"],
            "model.pooling.factor=2 would never be trained: data.factors holds 4, 8",
        ),
        (["+data.factors={4: 1, 0: 1}"], "data.factors: pooling factor 0 is not possible"),
        (["+data.factors={4: 1, 8: 1}", "model.pooling.schedule=[2,2]"], "the schedule [2, 2] fixes it to 4"),
        (["+data.factors={4: 1}", "model/pooling=memory_tokens"], "memory tokens have no pooling factor"),
    ],
)
def test_factors_that_contradict_the_pooling(run: Command, base: list[str], overrides: list[str], problem: str) -> None:
    assert problem in run.fails(*base, *(each.removeprefix("+") for each in overrides))


def test_a_sweep_without_multirun_and_several_devices_with_it(run: Command, base: list[str]) -> None:
    assert "a sweep was chosen (optim.encoder_lr=" in run.fails(*base, "hparams_search=learning_rates")
    assert "trainer.devices=2 with --multirun" in run.fails("--multirun", *base, "seed=0,1", "trainer.devices=2")


def test_a_missing_run_to_resume(run: Command, base: list[str], tmp_path: Path) -> None:
    assert "resume=nowhere: neither a checkpoint nor a run's folder" in run.fails(*base, "resume=nowhere")
    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    assert "resume=empty: neither a checkpoint" in run.fails(*base, "resume=empty")


def test_a_trained_encoder_of_another_architecture(run: Command, base: list[str], trained: Path) -> None:
    start = f"model.init_from={trained}"
    run(*base, start, "model.pooling.factor=8", "model/pooling=last", "paths.run=other")  # these may differ
    errors = run.fails(*base, start, "model.encoder.truncate_layers=1", "model.projector.bottleneck=16")
    assert "holds another architecture: unexpected encoder.backbone.layers" in errors
    assert "and 3 more" in errors  # of nine in the second layer and two in the head
    errors = run.fails(*base, start, "model.projector.bottleneck=16")
    assert "heads.huggingface.projector.layer1.weight: saved (24, 32), expected (16, 32)" in errors
    assert "heads.huggingface.projector.layer2.weight: saved (32, 24), expected (32, 16)" in errors
    assert "model.safetensors is missing" in run.fails(*base, "model.init_from=nowhere")


def test_a_damaged_trained_encoder(run: Command, base: list[str], tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{not json")
    assert "is damaged or not a safetensors file" in run.fails(*base, "model.init_from=broken")


def test_a_resolved_configuration_is_kept(run: Command, base: list[str], tmp_path: Path) -> None:
    run(*base, "seed=7")
    text = (tmp_path / "out" / "config.yaml").read_text()
    assert "${" not in text
    assert "seed: 7" in text


def test_a_setting_that_only_the_class_knows_is_taken_like_any_other(
    run: Command, base: list[str], tmp_path: Path
) -> None:
    run(*base, "decoders.huggingface.window=400", "data.decoder_weights={huggingface: 2.0}")
    config = OmegaConf.load(tmp_path / "out/config.yaml")
    assert config.decoders.huggingface.window == 400
    assert config.data.decoder_weights == {"huggingface": 2.0}
    errors = run.fails(*base, "decoders.huggingface.windw=400", "model.pooling.window=3")
    assert "there is no 'windw' in decoders.huggingface (did you mean 'window'?)" in errors
    assert "there is no 'window' in model.pooling" in errors
    assert "decoders.huggingface.window='wide': Input should be a valid integer" in run.fails(
        *base, "decoders.huggingface.window=wide"
    )
