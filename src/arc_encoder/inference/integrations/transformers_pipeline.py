"""A trained compressor in Transformers' manner: one document, many questions.

Importing this module makes `transformers.pipeline("arc-text-generation", …)` known.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoModel, Pipeline
from transformers.pipelines import PIPELINE_REGISTRY

from arc_encoder.core.errors import DataError
from arc_encoder.inference.compressor import Compressor
from arc_encoder.inference.encoding.contexts import CompressedContext, Context
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.decoder.frozen_decoder import FrozenDecoder

TASK = "arc-text-generation"
SETTINGS = ("max_new_tokens", "factor", "max_vectors", "stop")  # of `Compressor.ask`


class ArcTextGenerationPipeline(Pipeline):
    """Answers questions about a document, which is encoded once and read once by the decoder.

    Args:
        model: the ARC-Encoder.
        tokenizer: its tokenizer.
        decoder: folder, GGUF file or hub name of the decoder, or a loaded one.
        decoder_name: which of the ARC-Encoder's decoders it is; the only one by default.
        decoder_dtype: of the decoder's weights: float32, bfloat16, float16, or auto, in which they are stored.
        options: of Transformers' `Pipeline`, and settings of every call: max_new_tokens, factor, max_vectors, stop
            (see `Compressor.ask`).
    """

    _load_processor: Any = False
    _load_feature_extractor: Any = False
    _load_image_processor: Any = False
    _load_tokenizer: Any = True

    def __init__(
        self,
        model: ArcEncoderModel,
        tokenizer: Any,
        *,
        decoder: str | Path | FrozenDecoder,
        decoder_name: str | None = None,
        decoder_dtype: str = "auto",
        **options: Any,
    ) -> None:
        super().__init__(model=model, tokenizer=tokenizer, **options)
        self.compressor = Compressor.around(
            model, tokenizer, decoder=decoder, decoder_name=decoder_name, decoder_dtype=decoder_dtype
        )

    def __call__(
        self, inputs: Any, *args: Any, questions: str | Sequence[str] = (), **settings: Any
    ) -> list[dict[str, Any]]:
        """Answer `questions` about a document.

        Returns:
            for each question {"question", "answer", "vectors": positions of the document, "ratio": tokens for each}.

        Raises:
            DataError: no question.
        """
        asked = [questions] if isinstance(questions, str) else list(questions)
        if not asked:
            raise DataError('no question was given: pipe(context, questions=["…", "…"])')
        found: list[dict[str, Any]] = super().__call__({"context": inputs, "questions": asked}, **settings)
        return found

    def _sanitize_parameters(self, **settings: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        unknown = sorted(set(settings) - set(SETTINGS))
        if unknown:
            raise TypeError(f"{TASK} takes no {', '.join(unknown)}; it takes {', '.join(SETTINGS)}")
        return {}, settings, {}

    def preprocess(self, input_: Any, **preprocess_parameters: Any) -> dict[str, Any]:
        """Nothing: the compressor tokenizes."""
        return dict(input_)

    def _forward(self, input_tensors: Any, **forward_parameters: Any) -> Any:
        context, questions = input_tensors["context"], input_tensors["questions"]
        budget = {key: value for key, value in forward_parameters.items() if key in ("factor", "max_vectors")}
        others = {key: value for key, value in forward_parameters.items() if key not in budget}
        context = context.resolved() if isinstance(context, Context) else context
        if isinstance(context, str | Context):
            text = context if isinstance(context, str) else str(context.text)
            (context,) = self.compressor.encode([text], **budget)
        return {
            "context": context,
            "questions": questions,
            "answers": self.compressor.ask(context, questions, **others),
        }

    def postprocess(self, model_outputs: Any, **postprocess_parameters: Any) -> list[dict[str, Any]]:
        """One entry for each question."""
        context: CompressedContext = model_outputs["context"]
        return [
            {"question": question, "answer": answer.strip(), "vectors": len(context), "ratio": context.ratio}
            for question, answer in zip(model_outputs["questions"], model_outputs["answers"], strict=True)
        ]


PIPELINE_REGISTRY.register_pipeline(TASK, pipeline_class=ArcTextGenerationPipeline, pt_model=AutoModel)
