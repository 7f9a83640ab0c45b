"""A file larger than memory is read in constant memory: measured in a process of its own.

ARC_LARGE_GIB=10 pytest -m slow -s tests/data/sources/test_constant_memory.py prints the figures for ten gibibytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GIB = float(os.environ.get("ARC_LARGE_GIB", "0.25"))
READ = """
import json, random, resource, sys, time
import torch
from arc_encoder.data.sources.jsonl import JsonlDocuments
from arc_encoder.data.schedule.order import shuffled

def used(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MiB, peak

path, known = sys.argv[1], used()
start = time.perf_counter()
documents = JsonlDocuments(path)
indexed, memory = time.perf_counter() - start, used()
start = time.perf_counter()
for place in range(50_000):
    documents[shuffled(place, len(documents), 1)]
read = time.perf_counter() - start

class Drawn(torch.utils.data.Dataset):
    def __len__(self): return 50_000
    def __getitem__(self, place):
        if place == 49_999:
            return used()
        return 0 * len(documents[shuffled(place, len(documents), 2)].text)

workers = max(float(x) for x in torch.utils.data.DataLoader(Drawn(), batch_size=None, num_workers=2))
print(json.dumps({"records": len(documents), "before_mib": known, "index_seconds": indexed, "index_mib": memory - known,
    "read_mib": used() - memory, "records_per_second": 50_000 / read, "worker_mib": workers}))
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    words = "the quick brown fox jumps over the lazy dog and reads a very long story about " * 26
    block = "".join(json.dumps({"text": f"{i} {words}"}) + "\n" for i in range(5000)).encode()  # about 10 MiB
    with path.open("wb") as file:
        while file.tell() < GIB * 2**30:
            file.write(block)
    environment = {**os.environ, "ARC_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], env=environment, capture_output=True, text=True, check=False
    )
    path.unlink()
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    print(f"\n{GIB:g} GiB: {found}")
    assert found["records"] > 400_000 * GIB
    assert found["index_mib"] < 40
    assert found["read_mib"] < 40
    assert found["worker_mib"] < found["before_mib"] + 40
