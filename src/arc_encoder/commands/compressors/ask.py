"""`arc-ask`: one question about one document, answered from the text, from vectors, from less text, and from nothing.

Run command: ``arc-ask checkpoint=<run>/compressor decoder=toy_a document=my.txt question='Who wrote it?'``, or
``arc-ask … store=<folder> question='Who wrote it?'``: the best documents of a store are found and answered from.
"""

from __future__ import annotations

from functools import partial

from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.config.building.asking import ask_document, ask_documents, check_question
from arc_encoder.evaluation.runs.asking import answers_table


def run(config: DictConfig) -> None:
    """Answer as `config` says, from a document or from a store, and print what was answered."""
    check_question(config)
    if config.store is not None:
        print(ask_documents(config))
    else:
        print(f"{config.document}: {config.question}\n\n{answers_table(ask_document(config))}")


main = partial(run_app, "ask", run)
