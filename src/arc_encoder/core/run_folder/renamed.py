"""Names of earlier versions: configurations of saved runs still load, and a user's own are told the new name.

A run keeps the configuration that it began with (`config.yaml`), and that names classes by where they were defined.
"""

from __future__ import annotations

from typing import Any

PACKAGE = "arc_encoder."
# Conversions of data preparation that were a module each.
CONVERSIONS = {
    "documents": "narrative_qa scrolls squality summaries",
    "passages": "drop hotpot_qa qed quac reading squad",
    "questions": "multi_qa open_questions questions",
    "released_mix": "released_mix",
    "texts": "flores paraphrases plain_text",
}
# Modules that a `_target_` or an import of your own may name: where they were, below the package, and where they are now.
MODULES = {
    **{
        f"data.prepare.{old}": f"tools.preparation.conversions.{new}"
        for new in CONVERSIONS
        for old in CONVERSIONS[new].split()
    },
    "data.collator": "data.batching.collator",
    "data.growth": "data.schedule.growth",
    "data.growth.base": "data.schedule.growth.base",
    "data.hugging_face": "data.sources.hugging_face",
    "data.jsonl": "data.sources.jsonl",
    "data.needles": "data.synthetic.needles",
    "data.order": "data.schedule.order",
    "data.parquet": "data.sources.parquet",
    "data.prepare": "tools.preparation",
    "data.prepare.conversion": "tools.preparation.conversion",
    "data.prepare.origin": "tools.preparation.origin",
    "data.prepare.recipe": "tools.preparation.recipe",
    "data.task_warmup": "data.schedule.task_warmup",
    "data.text_files": "data.sources.text_files",
    "data.tokens": "data.batching.tokens",
    "data.toy_needles": "data.synthetic.toy_needles",
    "data.toy_sources": "data.synthetic.toy_sources",
    "errors": "core.errors",
    "evaluation.metrics": "evaluation.metrics.answers",
    "evaluation.session": "evaluation.session.session",
    "inference.fallback": "inference.fallback.policies",
    "inference.pipeline": "inference.integrations.transformers_pipeline",
    "integrations.langchain": "inference.integrations.langchain",
    "integrations.llama_index": "inference.integrations.llama_index",
    "model.adapters": "model.encoder.adapters",
    "model.adapters.base": "model.encoder.adapters.base",
    "model.backbone": "model.encoder.backbone",
    "model.build": "model.assembly.build",
    "model.chunking": "model.encoder.chunking",
    "model.decoder": "model.decoder.load",
    "model.decoder_adapter": "model.heads.decoder_adapter",
    "model.extend": "model.assembly.extend",
    "model.pooling": "model.encoder.pooling",
    "model.pooling.base": "model.encoder.pooling.base",
    "model.projectors": "model.heads.projectors",
    "model.projectors.base": "model.heads.projectors.base",
    "model.starts": "model.heads.starts",
    "model.starts.base": "model.heads.starts.base",
    "plan.model_flops": "tools.planning.model_flops",
    "registered": "core.registry",
    "segments": "core.segments",
    "storage": "inference.storage",
    "storage.codecs": "inference.storage.codecs.codecs",
    "storage.engines": "inference.storage.corpus.engines",
    "storage.engines.base": "inference.storage.corpus.engines.base",
    "storage.retrieval": "inference.storage.retrieval",
    "study.stages": "tools.ablation.stages",
    "study.start": "tools.ablation.start",
    "training.optim": "training.optim.optimizer",
}
# Classes that were renamed: the whole path below the package before, and now.
CLASSES = {
    "tools.ablation.start.Afresh": "tools.ablation.start.FreshProcess",
    "tools.ablation.start.Warm": "tools.ablation.start.ForkedProcess",
}
# Settings that were renamed: the whole path before, and now.
KEYS = {
    "model.length_groups": "model.length_buckets",
    "model.chunking.most": "model.chunking.max_chunks",
    "callbacks.non_finite.most_in_a_row": "callbacks.non_finite.max_consecutive",
    "callbacks.vector_words.most_vectors": "callbacks.vector_words.max_vectors",
}


def current_target(target: str) -> str:
    """What a `_target_` is called now: another name if it is one of an earlier version's, or else the same."""
    own = target.removeprefix(PACKAGE)
    if own == target:
        return target
    module, _, name = own.rpartition(".")
    moved = f"{MODULES.get(module, module)}.{name}"
    return PACKAGE + CLASSES.get(moved, moved)


def current_module(module: str) -> str | None:
    """Where a module of an earlier version is now; None if it was not moved."""
    own = module.removeprefix(PACKAGE)
    if own == module:
        return None
    moved = MODULES.get(own) or next((new for old, new in MODULES.items() if old.startswith(f"{own}.")), None)
    return None if moved is None else PACKAGE + moved


def current_key(key: str) -> str:
    """The whole path of a setting as it is called now."""
    return next(
        (new + key.removeprefix(old) for old, new in KEYS.items() if key == old or key.startswith(f"{old}.")), key
    )


def with_current_names(value: Any, path: str = "") -> Any:
    """A plain configuration with the current name of every setting and of every `_target_`."""
    if isinstance(value, list):
        return [with_current_names(inner, path) for inner in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, inner in value.items():
        whole = current_key(f"{path}.{key}" if path else str(key))
        name = whole.rpartition(".")[2] if isinstance(key, str) else key
        is_target = key == "_target_" and isinstance(inner, str)
        found[name] = current_target(inner) if is_target else with_current_names(inner, whole)
    return found
