"""The benchmark runs; how fast anything is, is not tested."""

from __future__ import annotations

import sys

from benchmarks import plates_per_second as benchmark
from food_data import embedding_store


def test_a_rate_is_a_positive_number():
    store = embedding_store.EmbeddingStore.load(benchmark.EMBEDDINGS)
    assert benchmark.plates_per_second(store, plates=2, workers=1, max_foods=1) > 0


def test_prints_a_line_for_each_setting(monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "plates_per_second", lambda *_: 123.4)
    monkeypatch.setattr(benchmark.synthetic_workers, "available_cores", lambda: 2)
    monkeypatch.setattr(sys, "argv", ["plates_per_second"])
    benchmark.main()
    assert capsys.readouterr().out.splitlines() == [
        f"1 to {foods} foods, {workers} of 2 cores: 123 plates/s"
        for foods in (1, 6)
        for workers in (1, 2)
    ]
