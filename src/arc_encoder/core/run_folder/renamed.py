"""Names of earlier versions: configurations of saved runs still load, and a user's own are told the new name.

A run keeps the configuration that it began with (`config.yaml`), and that names classes by where they were defined.
"""

from __future__ import annotations

from typing import Any

PACKAGE = "arc_encoder."
# Where what a `_target_` names was defined before, below the package, and where it is now.
MODULES = {
    "data.growth": "data.schedule.growth",
    "data.hugging_face": "data.sources.hugging_face",
    "data.jsonl": "data.sources.jsonl",
    "data.needles": "data.synthetic.needles",
    "data.parquet": "data.sources.parquet",
    "data.prepare": "tools.preparation",
    "data.prepare.drop": "tools.preparation.conversions.passages.drop",
    "data.prepare.flores": "tools.preparation.conversions.texts.flores",
    "data.prepare.hotpot_qa": "tools.preparation.conversions.passages.hotpot_qa",
    "data.prepare.multi_qa": "tools.preparation.conversions.questions.multi_qa",
    "data.prepare.narrative_qa": "tools.preparation.conversions.documents.narrative_qa",
    "data.prepare.open_questions": "tools.preparation.conversions.questions.open_questions",
    "data.prepare.paraphrases": "tools.preparation.conversions.texts.paraphrases",
    "data.prepare.plain_text": "tools.preparation.conversions.texts.plain_text",
    "data.prepare.qed": "tools.preparation.conversions.passages.qed",
    "data.prepare.quac": "tools.preparation.conversions.passages.quac",
    "data.prepare.questions": "tools.preparation.conversions.questions.questions",
    "data.prepare.origin": "tools.preparation.origin",
    "data.prepare.reading": "tools.preparation.conversions.passages.reading",
    "data.prepare.recipe": "tools.preparation.recipe",
    "data.prepare.released_mix": "tools.preparation.conversions.questions.released_mix",
    "data.prepare.scrolls": "tools.preparation.conversions.documents.scrolls",
    "data.prepare.squad": "tools.preparation.conversions.passages.squad",
    "data.prepare.squality": "tools.preparation.conversions.documents.squality",
    "data.prepare.summaries": "tools.preparation.conversions.documents.summaries",
    "data.task_warmup": "data.schedule.task_warmup",
    "data.text_files": "data.sources.text_files",
    "data.toy_needles": "data.synthetic.toy_needles",
    "data.toy_sources": "data.synthetic.toy_sources",
    "inference.fallback": "inference.fallback.policies",
    "model.adapters": "model.encoder.adapters",
    "model.backbone": "model.encoder.backbone",
    "model.build": "model.assembly.build",
    "model.chunking": "model.encoder.chunking",
    "model.decoder": "model.decoder.load",
    "model.decoder_adapter": "model.heads.decoder_adapter",
    "model.extend": "model.assembly.extend",
    "model.pooling": "model.encoder.pooling",
    "model.projectors": "model.heads.projectors",
    "model.starts": "model.heads.starts",
    "plan.model_flops": "tools.planning.model_flops",
    "segments": "core.segments",
    "storage": "inference.storage",
    "storage.engines": "inference.storage.corpus.engines",
    "study.stages": "tools.ablation.stages",
    "study.start": "tools.ablation.start",
    "training.optim": "training.optim.optimizer",
}


def current_target(target: str) -> str:
    """What a `_target_` is called now: another name if it is one of an earlier version's, or else the same."""
    own = target.removeprefix(PACKAGE)
    if own == target:
        return target
    module, _, name = own.rpartition(".")
    return f"{PACKAGE}{MODULES[module]}.{name}" if module in MODULES else target


def with_current_targets(value: Any) -> Any:
    """A plain configuration whose every `_target_` has its current name."""
    if isinstance(value, dict):
        return {
            key: current_target(inner) if key == "_target_" and isinstance(inner, str) else with_current_targets(inner)
            for key, inner in value.items()
        }
    return [with_current_targets(inner) for inner in value] if isinstance(value, list) else value
