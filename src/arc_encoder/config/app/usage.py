"""Help of the commands that are no Hydra commands."""

from __future__ import annotations

REPORT = """arc-report: what finished runs say, from their files alone

  arc-report <folders> output=<folder> [title=…] [protocol=strict]
      tables (Markdown, LaTeX, CSV), plots (PNG, SVG) and one HTML page of every evaluation in or below the folders,
      or of trainings that were not evaluated, such as a sweep
  arc-report examples <folders> [system=arc] [benchmark=toy_qa] [metric=exact_match] [limit=10] [order=worst] [against=open_book]
      single examples: question, answer, accepted answers; order=worst, best or asked
  arc-report compare <folders> system=arc against=open_book [metric=exact_match]
  arc-report compare <folders> variant=causal against_variant=bidirectional [system=arc] [metric=exact_match]
  arc-report compare <folders> system=arc factor=4 against_factor=8 [metric=exact_match]
  arc-report compare <folder> <another> [metric=exact_match]
      two systems, two variants of an ablation, two pooling factors, or the same in two folders, on the same examples and the same seed:
      difference, interval, p-value; a line for each seed

  Parts are chosen with system=, benchmark=, decoder=, factor=, shots=, seed=, variant=.
"""

DATA = """arc-data: data for training

  arc-data check <files> [decoder=…]        counts, lengths in tokens, duplicates, broken lines, samples as they would be built
  arc-data check data=<choice> [data.…=…]   the same for every source of a data configuration
  arc-data prepare                          list the public data sets that there are recipes for
  arc-data prepare <recipe> [output=…]      make one of them; downloads where there is a network, or takes from=<your copy>

  arc-data check --help, arc-data prepare --help: every setting
"""

LM_EVAL = """arc-lm-eval: lm-evaluation-harness with the model `arc`, a compressor in front of a frozen decoder

  arc-lm-eval run --model arc --model_args checkpoint=<run>/compressor,decoder=toy_a --tasks <task>
      decoder       a decoder of the configurations, such as toy_a; huggingface with decoder_path=<folder or hub name>
      checkpoint    folder of a trained ARC-Encoder; without it prompts stay text
      factor        pooling factor instead of the trained one
      keep          decoder tokens at a prompt's end that stay text (64)
      max_new_tokens, batch_size, device, encoder_tokenizer, backbone

  arc-lm-eval run --help, arc-lm-eval ls --help: the harness's own options
"""
