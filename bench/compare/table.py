"""The cells that compare.py measured, as a table of text or markdown.

    python bench/compare/table.py FILE.jsonl [--markdown] [--shares bench.json]

--shares: instead, what share of the machine's FMA peak this program and the fastest peer reached, by the work and the peak that
`backbones bench --json` tells (a multiply-add counts as two, of the direct sums): of the peer the whole model's, of this program
what it computes, which is less where features need one token of the last block. Where the peer does no fewer multiplications, no
engine that does as many can be faster than it by more than the rest to 100 %.
"""
import argparse
import collections
import json
import signal
import statistics
import sys

TITLES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "torch", "torch_compiled": "compiled", "ncnn": "ncnn"}
PEERS = tuple(TITLES)
NAMES = {"f32": "float32", "bf16": "products in bfloat16"}


def read(path):
    """{key: cell}; the last line may be torn by an interruption."""
    cells = {}
    try:
        with open(path) as file:
            for number, line in enumerate(file, 1):
                if not line.endswith("\n"):
                    continue
                try:
                    cell = json.loads(line)
                    cells[key(cell)] = cell
                except (ValueError, KeyError, TypeError):
                    sys.exit(f"{path}: line {number} is no measured cell")
    except FileNotFoundError:
        pass
    return cells


def append(path, cell):
    """A line more; what an interruption tore goes."""
    with open(path, "a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(json.dumps(cell).encode() + b"\n")


def key(cell):
    return cell["arch"], cell["batch"], cell["threads"], cell["isa"], cell.get("dtype", "f32"), cell["seconds"], cell["count"]


def rate(cell, engine):
    return statistics.median(r[engine][0] for r in cell["rounds"])


def memory(cell, engine):
    return max(r[engine][1] for r in cell["rounds"])


def ratios(cell):
    """Ours to the fastest peer of the round."""
    return [r["backbones"][0] / max(r[p][0] for p in r if p != "backbones") for r in cell["rounds"]]


def disturbed(cell):
    return max(engine[2] for r in cell["rounds"] for engine in r.values())


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def row(cell):
    engines = cell["rounds"][0]
    peers = [p for p in PEERS if p in engines]
    columns = [cell["arch"], str(cell["batch"]), str(cell["threads"]), number(rate(cell, "backbones"))]
    columns += [number(rate(cell, p)) if p in engines else "-" for p in PEERS]
    if not peers:
        return columns + ["-", "-"]
    values, leanest = ratios(cell), min(memory(cell, p) for p in peers)
    return columns + [f"{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})",
                      f"{memory(cell, 'backbones'):.0f} / {leanest:.0f}"]


def read_bench(path):
    """{model: GFLOP of an image that are computed, of the whole model}, {threads: GFLOP/s of the peak}"""
    try:
        with open(path) as file:
            bench = json.load(file)
        return ({row["arch"]: (row["gflops"] / row["images_per_s"], row["model_gflop"]) for row in bench["rows"]},
                {peak["threads"]: peak["gflops"] for peak in bench["peaks"]})
    except OSError as reason:
        sys.exit(f"{path}: {reason.strerror}")
    except (ValueError, KeyError, TypeError, ZeroDivisionError):
        sys.exit(f"{path}: not written by bench --json")


def render_shares(cells, bench, markdown):
    work, peaks = bench
    rows = [["model", "batch", "threads", "backbones, of peak", "best peer, of peak", "to the best"]]
    for cell in cells:
        peers = [p for p in PEERS if p in cell["rounds"][0]]
        known = cell["arch"] in work and cell["threads"] in peaks and peers
        if not known or cell["isa"] or cell.get("dtype", "f32") != "f32":
            continue
        rates = rate(cell, "backbones"), max(rate(cell, p) for p in peers)
        shares = [f"{100 * images * gflop / peaks[cell['threads']]:.0f} %" for images, gflop in zip(rates, work[cell["arch"]])]
        rows.append([cell["arch"], str(cell["batch"]), str(cell["threads"]), *shares, f"{statistics.median(ratios(cell)):.2f}"])
    return "\n".join(lines_of(rows, markdown))


def lines_of(rows, markdown):
    if markdown:
        rows = rows[:1] + [["---"] + ["---:"] * (len(rows[0]) - 1)] + rows[1:]
        return ["| " + " | ".join(columns) + " |" for columns in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(text.rjust(width) if i else text.ljust(width) for i, (text, width) in enumerate(zip(columns, widths)))
            for columns in rows]


def notes_of(cells):
    """Each reason for a missing peer once, with the cells that it concerns."""
    missing = {}
    for cell in cells:
        for peer, reason in cell["missing"].items():
            missing.setdefault((TITLES[peer], reason), {}).setdefault(cell["arch"], None)
    notes = [f"{peer} (-): {', '.join(archs)}: {reason}" for (peer, reason), archs in missing.items()]
    said = {}
    for cell in cells:
        for peer, text in cell["notes"].items():
            said.setdefault(peer, collections.Counter())[text] += 1
    for peer, texts in said.items():
        notes.append(f"{TITLES[peer]}: " + ", ".join(f"{text} ({count} row{'s' * (count > 1)})" for text, count in texts.items()))
    return notes


def render(cells, markdown=False):
    """The whole text: for every machine, instruction set and set of versions its own table."""
    groups = {}
    for cell in cells:
        groups.setdefault((cell["machine"], cell["isa"], cell.get("dtype", "f32"), cell["seconds"], cell["count"], cell["versions"].get("backbones")), []).append(cell)
    out = []
    for (machine, isa, dtype, seconds, count, _), group in groups.items():
        versions = {}
        for cell in group:
            versions.update(cell["versions"])
        rows = [["model", "batch", "threads", "backbones"] + [TITLES[p] for p in PEERS] + ["to the best", "MB, to the leanest"]]
        out += [f"{machine}{', held to ' + isa if isa else ''}; " + ", ".join(versions.values()),
                f"images/s, {NAMES[dtype]}: medians of {count} alternating rounds of {seconds:g} s; worst difference of features "
                f"{max((d for cell in group for d in cell['differences'].values()), default=0):.1e} of the largest; "
                f"others used at most {100 * max(map(disturbed, group)):.0f} % of the cores meanwhile", ""]
        out += lines_of(rows + [row(cell) for cell in group], markdown)
        notes = notes_of(group)
        out += ([""] if notes else []) + (["* " + note for note in notes] if markdown else notes) + [""]
    return "\n".join(out).rstrip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--shares", metavar="BENCH.json")
    arguments = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as `| head` expects
    cells = list(read(arguments.file).values())
    if not cells:
        sys.exit(f"{arguments.file}: no measured cells")
    if arguments.shares:
        print(render_shares(cells, read_bench(arguments.shares), arguments.markdown))
    else:
        print(render(cells, arguments.markdown))
