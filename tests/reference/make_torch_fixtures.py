#!/usr/bin/env python3
"""Write tests/fixtures/torch: what torch.save() and TorchScript write, small, and what is in it.

    python3 make_torch_fixtures.py tests/fixtures/torch

Needs torch and numpy (torch==2.15.0, numpy==2.4.6). NAME.pth is the zip archive, NAME-old.pth the format before torch 1.6,
NAME.txt a line for each tensor: its name, dtype, shape and bytes in hexadecimal.
"""
import argparse
import collections
import io
import pathlib
import sys
import types
import zipfile

import numpy
import torch

NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.uint16: "U16",
    torch.uint32: "U32",
    torch.uint64: "U64",
}


def tensors_of(value, path=()):
    """Every tensor with its name, as weights-tools/torch_file.h promises them."""
    if isinstance(value, torch.Tensor):
        yield ".".join(path), value.detach()
    elif isinstance(value, argparse.Namespace):
        yield from tensors_of(vars(value), path)
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from tensors_of(child, path + (str(key),))
    elif isinstance(value, (list, tuple)):
        for index, child in enumerate(value):
            yield from tensors_of(child, path + (str(index),))


def line(name, tensor):
    data = bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist()) if tensor.numel() else b""
    return " ".join([name, NAMES[tensor.dtype], "x".join(map(str, tensor.shape)) or "-", data.hex() or "-"]) + "\n"


def write(folder, name, value, **options):
    torch.save(value, folder / f"{name}.pth", **options)
    torch.save(value, folder / f"{name}-old.pth", _use_new_zipfile_serialization=False, **options)
    lines = [line(*item) for item in tensors_of(value)]
    (folder / f"{name}.txt").write_text("".join(sorted(lines, key=lambda text: text.split(" ")[0].encode())))


def dtypes():
    out = {NAMES[dtype]: torch.arange(5).to(dtype) for dtype in NAMES}
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        out[f"special.{NAMES[dtype]}"] = torch.tensor([-1.5, float("inf"), float("nan"), -0.0, 1e-7], dtype=dtype)
    out["scalar"] = torch.tensor(7.0)
    out["empty"] = torch.zeros(3, 0, 2)
    return out


def views():
    base = torch.arange(24.0).reshape(2, 3, 4)
    image = torch.arange(60, dtype=torch.int16).reshape(1, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    return {
        "base": base,
        "same": base,
        "row": base[1],
        "column": base[:, 1],
        "last": base[..., 3],
        "transposed": base.transpose(0, 2),
        "every_second": base.reshape(-1)[1::2],
        "expanded": base[0, :, :1].expand(3, 5),
        "channels_last": image,
        "one_sized": base[:, :1],
        "diagonal": torch.arange(16, dtype=torch.float64).reshape(4, 4).diagonal(),
    }


def make_cfg_node():
    """A class that pickles as yacs does, whose package is not needed for it."""
    module = types.ModuleType("yacs.config")
    node = type("CfgNode", (dict,), {"__module__": "yacs.config", "__qualname__": "CfgNode"})
    module.CfgNode = node
    sys.modules["yacs"], sys.modules["yacs.config"] = types.ModuleType("yacs"), module
    config = node(MODEL=node(NAME="swin", DROP=0.1), SIZES=[1, 2])
    config.__dict__["__immutable__"] = False
    return config


def training():
    """A trainer's checkpoint: weights among everything that published ones keep beside them."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model(torch.randn(4, 2)).sum().backward()
    optimizer.step()
    tagged = torch.nn.Parameter(torch.ones(2))
    tagged.tag = "norm"
    counts = collections.defaultdict(list)
    counts["kept"].append(torch.tensor([5]))
    return {
        "model": model.state_dict(),
        "teacher": collections.OrderedDict(("module." + k, v) for k, v in model.state_dict().items()),
        "optimizer": optimizer.state_dict(),
        "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0])),
        "tagged": tagged,
        "list": [torch.tensor([1]), (torch.tensor([2]), {"deep": torch.tensor([3])}), "text", 4],
        "counts": counts,
        "args": argparse.Namespace(lr=0.1, output=pathlib.PurePosixPath("/out"), betas=(0.9, 0.99), queue=torch.zeros(1)),
        "config": make_cfg_node(),
        "epoch": 300,
        "big": 1 << 70,
        "negative": -70000,
        "best": numpy.float64(81.5),
        "random": numpy.random.RandomState(1).randint(0, 9, 4),
        "raw": b"\0\1\2",
        "set": {1, 2},
        "frozen": frozenset([1]),
        "size": torch.Size([3, 224]),
        "device": torch.device("cpu"),
        "dtype": torch.float16,
        "none": None,
        "flag": True,
        5: {"by_number": torch.tensor([6])},
    }


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(2, 2)
        self.blocks = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1))
        self.register_buffer("table", torch.arange(3))
        self.width = 2
        self.sizes = [1, 2]

    def forward(self, x):
        return self.blocks(self.fc(x)) * self.width + self.sizes[0]


def script(folder):
    """Tensors of a module tree, as OpenAI published CLIP; without the debug entries, which hold the writer's paths."""
    torch.manual_seed(2)
    module = torch.jit.script(Block().half().eval())
    source = zipfile.ZipFile(io.BytesIO(module.save_to_buffer()))
    with zipfile.ZipFile(folder / "script.pt", "w") as target:
        for entry in source.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                target.writestr(zipfile.ZipInfo(entry.filename), source.read(entry), entry.compress_type)
    lines = [line(*item) for item in module.state_dict().items()]
    (folder / "script.txt").write_text("".join(sorted(lines)))


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, "dtypes", dtypes())
    write(folder, "views", views())
    write(folder, "training", training())
    write(folder, "protocol5", {"model": dtypes(), "args": argparse.Namespace(a=1)}, pickle_protocol=5)
    script(folder)


if __name__ == "__main__":
    main()
