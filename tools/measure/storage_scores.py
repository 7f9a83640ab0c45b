"""Scores against bytes: questions answered from vectors that were kept by each codec, at each factor.

Run command: ``python -m tools.measure.storage_scores --checkpoint <run>/compressor --decoder data/toy_world/toy_a``

A codec that learns does so from the documents that are asked about, as a store does.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from tqdm import tqdm

from arc_encoder.data.prompts import joined_passages
from arc_encoder.data.records import Question
from arc_encoder.data.sources.jsonl import JsonlQuestions
from arc_encoder.data.synthetic.toy_sources import ToyQuestions
from arc_encoder.evaluation.metrics.answers import METRICS, confidence_interval
from arc_encoder.evaluation.reporting.tables.markdown import table
from arc_encoder.inference import Compressor
from arc_encoder.inference.generation.prompts import Parts
from arc_encoder.inference.storage import Codec, FloatCodec, Int8Codec, ProductCodec
from arc_encoder.tools.studies.readings import opening_of, prompt_about

CODECS: dict[str, Callable[[], Codec]] = {
    "float32": partial(FloatCodec, "float32"),
    "bfloat16": FloatCodec,
    "int8": Int8Codec,
    "product, 4 bits": partial(ProductCodec, 4),
    "product, 2 bits": partial(ProductCodec, 2),
    "product, 1 bit": partial(ProductCodec, 1),
    "product, 0.5 bits": partial(ProductCodec, 0.5),
}


def main() -> None:
    """Console entry point: a Markdown table."""
    parser = argparse.ArgumentParser(description="Scores against bytes for every codec and factor.")
    parser.add_argument("--checkpoint", required=True, help="folder of a trained compressor")
    parser.add_argument("--decoder", required=True, help="folder, GGUF file or hub name")
    parser.add_argument("--decoder-name", default=None)
    parser.add_argument("--questions", default=None, help="JSON lines; those of the toy world by default")
    parser.add_argument("--codecs", nargs="+", default=list(CODECS), choices=list(CODECS))
    parser.add_argument("--factors", type=float, nargs="+", default=[4, 8])
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument(
        "--documents", type=int, default=2000, help="that the codecs learn from beside those asked about"
    )
    parser.add_argument("--shots", type=int, default=0, help="answered questions in front of each, without documents")
    parser.add_argument("--metric", default="exact_match", choices=sorted(METRICS))
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    compressor = Compressor.from_pretrained(
        arguments.checkpoint, decoder=arguments.decoder, decoder_name=arguments.decoder_name, dtype=arguments.dtype
    )
    source: Any = ToyQuestions(split="held_out") if arguments.questions is None else JsonlQuestions(arguments.questions)
    wanted = arguments.limit + arguments.documents
    places = random.Random(0).sample(range(len(source)), min(wanted, len(source)))
    questions = [source[place] for place in places]
    others = [joined_passages(each) for each in questions[arguments.limit :]]
    asked_about, metric = questions[: arguments.limit], METRICS[arguments.metric]
    opening = opening_of(questions[arguments.limit :][: arguments.shots])
    print(scores(compressor, asked_about, others, arguments.factors, metric, arguments.codecs, opening))


def scores(
    compressor: Compressor,
    questions: Sequence[Question],
    others: Sequence[str],
    factors: Sequence[float],
    metric: Callable[[str, Sequence[str]], float],
    codecs: Sequence[str] = tuple(CODECS),
    opening: str = "",
) -> str:
    """A row for each factor and codec.

    Args:
        compressor: with its decoder.
        questions: that are asked.
        others: documents that codecs learn from too.
        factors: pooling factors.
        metric: answer, accepted answers → percent.
        codecs: names of those that are tried.
        opening: text in front of every prompt.
    """
    documents = [joined_passages(question) for question in questions]
    texts = list(dict.fromkeys([*documents, *others]))
    answered = partial(_answered, compressor, questions, metric, opening)
    size = sum(len(text.encode()) for text in documents) / len(documents)
    rows = [["text", "", f"{size:,.0f}", *answered(dict(zip(texts, texts, strict=True)))]]
    for factor in factors:
        contexts = compressor.encode(texts, factor=factor)
        for name in tqdm(codecs, desc=f"×{factor:g}", unit="codec"):
            codec = CODECS[name]()
            codec.fit(torch.cat([context.vectors for context in contexts]))
            kept: dict[str, Any] = {
                text: replace(context, vectors=codec.decode(codec.encode(context.vectors)))
                for text, context in zip(texts, contexts, strict=True)
            }
            row = sum(tensor.nbytes for tensor in codec.encode(contexts[0].vectors[:1]).values())
            size = row * sum(len(kept[text]) for text in documents) / len(documents)
            rows.append([f"×{factor:g}", name, f"{size:,.0f}", *answered(kept)])
    return table(["factor", "codec", "bytes a document", "score", "95 %"], rows)


def _answered(
    compressor: Compressor,
    questions: Sequence[Question],
    metric: Callable[[str, Sequence[str]], float],
    opening: str,
    parts: dict[str, Any],
) -> list[str]:
    prompts: list[Parts] = [prompt_about(opening, parts[joined_passages(q)], q.question) for q in questions]
    answers = compressor.generate(prompts, stop="\n", max_new_tokens=16)
    values = [metric(answer, question.answers) for answer, question in zip(answers, questions, strict=True)]
    mean, low, high = confidence_interval(values)
    return [f"{mean:.1f}", f"[{low:.1f}, {high:.1f}]"]


if __name__ == "__main__":
    main()
