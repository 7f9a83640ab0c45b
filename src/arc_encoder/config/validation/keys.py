"""The names that are allowed at the top level of each primary configuration."""

from __future__ import annotations

# fmt: off
TRAIN = {
    "experiment_name", "seed", "threads", "imports", "ckpt", "resume", "sweep_metric", "callbacks", "data",
    "decoders", "logger", "model", "objective", "optim", "paths", "trainer",
}
PLAN = {
    "gpus", "gpu_memory_gib", "reserve_gib", "peak_tflops", "utilisation", "sharded", "document_tokens",
    "question_tokens", "answer_tokens",
}
KEYS: dict[str, set[str]] = {
    "train": TRAIN,
    "eval": {
        "benchmark", "experiment_name", "checkpoint", "encoder_tokenizer", "backbone", "imports", "factors",
        "shots", "seeds", "batch_size", "batch_positions", "cache_gib", "precision", "conditions", "costs", "seed", "threads",
        "device", "benchmarks", "decoders", "paths", "protocol", "systems",
    },
    "quickstart": {
        "decoder_name", "factor", "pretrain_steps", "finetune_steps", "batch_size", "limit", "seed", "threads",
        "link", "imports", "overrides", "pretrain_overrides", "finetune_overrides", "paths",
    },
    "ablate": {
        "variants", "seeds", "jobs", "threads", "overrides", "train_overrides", "eval_overrides", "dry_run",
        "folder", "trainings", "ablation", "paths", "scale",
    },
    "ask": {
        "checkpoint", "encoder_tokenizer", "backbone", "imports", "document", "store", "top", "question",
        "factors", "max_new_tokens", "precision", "threads", "device", "decoders", "fallback", "paths",
        "retriever",
    },
    "compress": {
        "checkpoint", "encoder_tokenizer", "backbone", "imports", "input", "output", "text_field",
        "decoder_name", "factor", "fidelity", "keep_text", "batch_size", "threads", "device", "dtype",
        "on_error", "overwrite", "codec", "decoders", "engine", "paths",
    },
    "serve": {
        "checkpoint", "encoder_tokenizer", "backbone", "imports", "decoder_name", "store", "model", "host", "port",
        "api_key_file", "page", "batch_size", "cache_mib", "grace", "log_level", "threads", "device", "dtype",
        "limits", "decoders", "engine", "paths",
    },
    "convert": {
        "input", "output", "layout", "decoders", "backbone", "tokenizer", "dtype", "whole", "imports",
        "overwrite",
    },
    "probe": {
        "checkpoint", "encoder_tokenizer", "backbone", "imports", "output", "factors", "train", "test", "shots",
        "metric", "right_from", "max_new_tokens", "batch_size", "seed", "threads", "device", "dtype",
        "overwrite", "decoders", "paths", "questions",
    },
    "bench": TRAIN | {
        "batches", "warmup", "workers", "device",
    },
    "bench_all": {
        "only", "output", "compare", "tolerance", "threads", "parts", "paths",
    },
    "bench_serve": {
        "checkpoint", "encoder_tokenizer", "backbone", "imports", "decoder_name", "text", "documents", "clients",
        "factors", "answer_tokens", "rounds", "output", "threads", "device", "dtype", "decoders", "paths",
    },
    "plan": TRAIN | PLAN,
    "plan_serve": TRAIN | PLAN | {
        "factors",
    },
    "check": {
        "path", "kind", "text_field", "fields", "on_error", "shots", "max_passages", "limit", "samples",
        "examples", "output", "overwrite", "seed", "imports", "data", "decoders", "model", "paths",
    },
    "prepare": {
        "output", "from", "passages", "passage_words", "top", "index", "limit", "exclude", "exclude_words",
        "held_out", "on_error", "overwrite", "imports", "paths", "recipe", "retriever",
    },
}
