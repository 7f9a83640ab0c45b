"""Results as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from arc_encoder.evaluation.reporting.plots import plot_scores
from tests.evaluation.reporting.tables.test_result_tables import row


def test_every_benchmark_gets_a_panel_and_every_row_a_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Any] = []
    monkeypatch.setattr(plt, "close", figures.append)
    rows = [
        row("open_book", "exact_match", 40.0),
        row("arc", "exact_match", 30.0, 4),
        row("arc", "f1", 99.0, 4),
        row("arc", "exact_match", 20.0, 4, benchmark="other"),
    ]
    path = plot_scores(rows, tmp_path / "scores.png")
    monkeypatch.undo()
    assert path.read_bytes().startswith(b"\x89PNG")
    panels = figures[0].axes
    assert [panel.get_title() for panel in panels] == ["qa", "other"]
    assert [[text.get_text() for text in panel.texts] for panel in panels] == [["open_book", "arc ×4"], ["arc ×4"]]
    points = [tuple(float(v[0]) for v in line[0].get_data()) for line in panels[0].containers]
    assert points == [(12.34, 40.0), (12.34, 30.0)]
    for panel in panels:  # nothing takes fewer positions than none, and every label is in its frame
        left, right = panel.get_xlim()
        assert -0.1 * right < left <= 0
        frame = panel.get_window_extent()
        assert all(
            frame.x0 <= text.get_window_extent().x0 and text.get_window_extent().x1 <= frame.x1 for text in panel.texts
        )
    # one colour for a system in all panels
    assert panels[0].containers[1][0].get_color() == panels[1].containers[0][0].get_color()
    plt.close(figures[0])
