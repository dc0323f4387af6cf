#!/usr/bin/env python3
"""Open two files with the safetensors package and compare them tensor by tensor.

    python3 compare_safetensors.py EXPECTED ACTUAL [TOLERANCE]

TOLERANCE is relative to the largest value of a tensor (default 1e-6: a float rounded once). Exit status 1 when a name,
a shape or a value differs. Needs safetensors==0.8.0, torch==2.15.0.
"""
import sys

from safetensors import safe_open


def load(path):
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}


def main(expected_path, actual_path, tolerance=1e-6):
    expected, _ = load(expected_path)
    actual, metadata = load(actual_path)
    problems = [f"{name} is missing" for name in sorted(expected.keys() - actual.keys())]
    problems += [f"{name} is extra" for name in sorted(actual.keys() - expected.keys())]
    worst = 0.0
    for name in sorted(expected.keys() & actual.keys()):
        a, b = expected[name].double(), actual[name].double()
        if a.shape != b.shape:
            problems.append(f"{name} is {list(b.shape)} instead of {list(a.shape)}")
            continue
        error = ((a - b).abs().max() / a.abs().max().clamp(min=1e-30)).item() if a.numel() else 0.0
        worst = max(worst, error)
        if not error <= tolerance:
            problems.append(f"{name} differs by {error:.3g} of its largest value")
    print("\n".join(problems[:20]))
    print(f"{len(actual)} tensors, {len(problems)} problems, largest difference {worst:.3g}")
    for key in sorted(metadata):
        print(f"  {key}: {metadata[key][:100]}")
    return 1 if problems else 0


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:])))
