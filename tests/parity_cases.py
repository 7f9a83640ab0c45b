"""Golden vectors of the method's public implementation, loaded as models of this project.

Shape legend: C contexts, L tokens, M vectors, D width, B samples, S text tokens.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaModel, MistralConfig, OlmoConfig, PreTrainedModel

from arc_encoder.batch import pad_rows
from arc_encoder.model.chunking import Chunking
from arc_encoder.model.pooling import LastPooling, MeanPooling, MemoryTokens, Pooling, SumPooling
from arc_encoder.model.pretrained import ArcEncoderModel
from arc_encoder.segments import TaskToken

PARITY = Path(__file__).resolve().parents[2] / "shared" / "parity"
CASES = (
    "mean_pooled_queries_pf2",
    "mean_pooled_queries_pf4",
    "mean_pooled_queries_pf8",
    "last_pooled_queries_pf4",
    "sum_pooled_queries_pf4",
    "mean_pf4",
    "between_mean_pf4",
    "trunc2_pf4",
    "multistage_m2_m2_m2",
    "multistage_m2_m1_m2",
    "memory_tokens_4",
    "multi_decoder_pf4",
    "olmo_decoder_pf4",
)
needs_parity = pytest.mark.skipif(not PARITY.is_dir(), reason="the golden vectors (../shared/parity) are not here")
NAMES = {
    "attention.wq": "self_attn.q_proj",
    "attention.wk": "self_attn.k_proj",
    "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w3": "mlp.up_proj",
    "feed_forward.w2": "mlp.down_proj",
}


def half_split(weight: Tensor, heads: int) -> Tensor:
    """Interleaved rotary pairs → Hugging Face's half-split layout."""
    rows, dim = weight.shape
    return weight.view(heads, rows // heads // 2, 2, dim).transpose(1, 2).reshape(rows, dim)


def from_meta_names(weights: dict[str, Tensor], settings: dict) -> dict[str, Tensor]:
    """Meta/Mistral names and rotary layout → those of a Hugging Face Llama body."""
    state = {}
    for name, value in weights.items():
        if name == "tok_embeddings.weight":
            state["embed_tokens.weight"] = value
        elif name == "norm.weight":
            state["norm.weight"] = value
        elif name.startswith("layers."):
            _, number, rest = name.split(".", 2)
            part = rest.removesuffix(".weight")
            if part == "attention.wq":
                value = half_split(value, settings["n_heads"])
            elif part == "attention.wk":
                value = half_split(value, settings["n_kv_heads"])
            state[f"layers.{number}.{NAMES[part]}.weight"] = value
    return state


def llama_settings(settings: dict, layers: int) -> dict:
    return dict(
        vocab_size=settings["vocab_size"],
        hidden_size=settings["dim"],
        intermediate_size=settings["hidden_dim"],
        num_hidden_layers=layers,
        num_attention_heads=settings["n_heads"],
        num_key_value_heads=settings["n_kv_heads"],
        head_dim=settings["head_dim"],
        rms_norm_eps=settings["norm_eps"],
        max_position_embeddings=4096,
        rope_parameters={"rope_type": "default", "rope_theta": settings["rope_theta"]},
        tie_word_embeddings=False,
        pad_token_id=None,
    )


def load_decoder_model(folder: Path, settings: dict) -> PreTrainedModel:
    weights = load_file(folder / "consolidated.safetensors")
    shape = llama_settings(settings, settings["n_layers"])
    if settings["type"] == "olmo":
        shape.pop("rms_norm_eps")
        model = AutoModelForCausalLM.from_config(OlmoConfig(**shape, clip_qkv=None))
        state = {}
        for name, value in weights.items():
            name = name.removeprefix("model.transformer.")
            if name == "wte.weight":
                state["model.embed_tokens.weight"] = value
            elif name == "ff_out.weight":
                state["lm_head.weight"] = value
            else:
                _, number, part = name.split(".", 2)
                prefix = f"model.layers.{number}."
                if part == "att_proj.weight":
                    for key, piece in zip("qkv", value.chunk(3), strict=True):
                        state[f"{prefix}self_attn.{key}_proj.weight"] = piece
                elif part == "attn_out.weight":
                    state[f"{prefix}self_attn.o_proj.weight"] = value
                elif part == "ff_proj.weight":
                    state[f"{prefix}mlp.up_proj.weight"], state[f"{prefix}mlp.gate_proj.weight"] = value.chunk(2)
                else:
                    state[f"{prefix}mlp.down_proj.weight"] = value
    else:
        config = MistralConfig(**shape, sliding_window=None) if settings["type"] == "mistral" else LlamaConfig(**shape)
        model = AutoModelForCausalLM.from_config(config)
        state = {f"model.{name}": value for name, value in from_meta_names(weights, settings).items()}
        state["lm_head.weight"] = weights["output.weight"]
    model.load_state_dict(state, strict=True)
    return model.eval()


def make_pooling(config: dict) -> Pooling:
    if config["memory_tokens"]:
        return MemoryTokens(config["memory_tokens"])
    schedule = [-rate for rate in config["compress_rates"]]
    factor = 1
    for step in schedule:
        factor *= step
    name = config["pool_type"]
    kind = {"mean": MeanPooling, "last": LastPooling, "sum": SumPooling}[name.removesuffix("_pooled_queries")]
    where = "between" if config["where"] == "between" else "queries" if name.endswith("_pooled_queries") else "block"
    return kind(factor, schedule, where)


class ParityCase:
    """One folder of golden vectors: the compressor, its decoders, and the recorded batches."""

    def __init__(self, name: str) -> None:
        folder = PARITY / name
        self.config = json.loads((folder / "config.json").read_text())
        self.records = json.loads((folder / "io.json").read_text())["batches"]
        self.tensors = load_file(folder / "io.safetensors")
        self.folder = folder
        settings = self.config["encoder"]
        backbone = LlamaModel(LlamaConfig(**llama_settings(settings, settings["n_layers_used"]))).eval()
        checkpoint = folder / "checkpoints" / "checkpoint_000001"
        weights = load_file(checkpoint / "embedder" / "consolidated.safetensors")
        bridge = load_file(checkpoint / "bridge_module" / "consolidated.safetensors")
        backbone.load_state_dict({**backbone.state_dict(), **from_meta_names(weights, settings)}, strict=True)
        shape = self.config["bridge"]
        projector = {
            "name": "MLPProjector",
            "settings": {"in_dim": shape["in_dim"], "out_dim": shape["out_dim"], "bottleneck": shape["hidden_dim"]},
        }
        heads = {str(i): {"projector": projector, "task_tokens": True} for i in range(self.config["n_decoders"])}
        self.compressor = ArcEncoderModel.build(
            backbone, make_pooling(self.config), heads, causal=self.config["causal"], chunking=Chunking(10**6)
        ).eval()
        with torch.no_grad():
            for i, head in self.compressor.heads.items():
                prefix = f"{i}." if len(heads) > 1 else ""
                for layer in ("layer1", "layer2"):
                    getattr(head.projector, layer).weight.copy_(bridge[f"{prefix}{layer}.weight"])
                head.task_tokens[TaskToken.RECONSTRUCT].copy_(weights[f"rec_tok.{i}.weight"][0])
                head.task_tokens[TaskToken.CONTINUE].copy_(weights[f"cont_tok.{i}.weight"][0])
            if "mem_embeddings.0.weight" in weights:
                self.compressor.encoder.pooling.embeddings.copy_(weights["mem_embeddings.0.weight"])
        self.decoders = [
            load_decoder_model(folder / f"decoder_{i}", decoder) for i, decoder in enumerate(self.config["decoders"])
        ]

    def contexts(self, batch: str) -> tuple[Tensor, Tensor]:
        lengths = self.records[batch]["enc_seqlens_flat"]
        return pad_rows([row.tolist() for row in self.tensors[f"{batch}.enc_input_ids"].split(lengths)])

    def texts(self, batch: str) -> tuple[Tensor, Tensor]:
        lengths = self.records[batch]["dec_text_seqlens"]
        return pad_rows([row.tolist() for row in self.tensors[f"{batch}.dec_input_ids"].split(lengths)])

    def places(self, batch: str) -> tuple[Tensor, Tensor]:
        """Sample of each context, and the text tokens of that sample before it."""
        rows, positions = [], []
        for row, steps in enumerate(self.records[batch]["insert_positions"]):
            before = 0
            for step in steps:
                before += step
                rows.append(row)
                positions.append(before)
        return torch.tensor(rows), torch.tensor(positions)

    def task_token(self, batch: str) -> TaskToken:
        return TaskToken.RECONSTRUCT if batch.startswith("rec") else TaskToken.CONTINUE
