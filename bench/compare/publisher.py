"""A model as its publisher's own code has it, with seeded weights, in the forms that the peers read.

    python bench/compare/publisher.py ARCH FOLDER

writes FOLDER/ARCH.onnx (any batch), ARCH.pt (the weights), ARCH.ncnn.param and .bin (batch 1), and, once these are whole,
ARCH.json: the side of the input, the number of features, and why a form could not be made. What is there is kept.
compare.py starts it, in a process of its own, so that no peer's memory counts the conversion.
"""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "tests", "reference"))


def network(arch, exportable=False):
    """(features-only module in evaluation mode, side of its input): torchvision's ResNets, whose names are ours; timm's
    model of that name for everything else. exportable: without operations that the exporters do not know."""
    import timm
    import torch
    import torchvision

    if "resn" in arch and hasattr(torchvision.models, arch):
        model = getattr(torchvision.models, arch)()
        model.fc = torch.nn.Identity()
        return model.eval(), 224
    model = timm.create_model(arch, pretrained=False, exportable=exportable, num_classes=0)
    return model.eval(), model.pretrained_cfg["input_size"][-1]


def seed(model):
    import torch
    from seeded import seeded

    state = model.state_dict()
    for name, value in state.items():
        if value.dtype.is_floating_point:
            state[name] = torch.from_numpy(seeded(name, tuple(value.shape), 1))
    model.load_state_dict(state)


def write_onnx(model, side, path):
    import torch

    torch.onnx.export(model, torch.zeros(1, 3, side, side), path + ".part", input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, opset_version=20, dynamo=False)
    os.rename(path + ".part", path)


def use_multihead_attention(model):
    """A ViT's attention as torch's own module, which pnnx knows as one layer; timm's is a sequence of operations to it."""
    import torch

    class SelfAttention(torch.nn.Module):
        def __init__(self, timm_attention):
            super().__init__()
            qkv, width = timm_attention.qkv, timm_attention.qkv.in_features
            self.heads = torch.nn.MultiheadAttention(width, timm_attention.num_heads, batch_first=True)
            self.heads.in_proj_weight, self.heads.in_proj_bias = qkv.weight, qkv.bias
            self.heads.out_proj = timm_attention.proj

        def forward(self, x, **_):
            return self.heads(x, x, x, need_weights=False)[0]

    torch.backends.mha.set_fastpath_enabled(False)
    for block in getattr(model, "blocks", []):
        block.attn = SelfAttention(block.attn)
    return model.eval()


def write_ncnn(model, side, stem):
    """By pnnx from a trace of one picture; the program lies beside this interpreter."""
    import torch

    model = use_multihead_attention(model)
    with tempfile.TemporaryDirectory() as folder:
        trace = os.path.join(folder, "m.pt")
        torch.jit.trace(model, torch.zeros(1, 3, side, side), check_trace=False).save(trace)
        pnnx = os.path.join(os.path.dirname(sys.executable), "pnnx")  # a script, whose first line may name another place
        result = subprocess.run([sys.executable, pnnx, trace, f"inputshape=[1,3,{side},{side}]", "fp16=0"],
                                cwd=folder, capture_output=True, text=True, timeout=900)
        parts = [os.path.join(folder, "m.ncnn." + kind) for kind in ("param", "bin")]
        if result.returncode or not all(map(os.path.exists, parts)):
            raise RuntimeError("pnnx: " + ((result.stderr + result.stdout).strip().splitlines() or ["no output"])[-1])
        with open(parts[0]) as file:  # an operator that ncnn lacks keeps its torch name
            unknown = sorted({line.split()[0] for line in file if line[:1].isalpha() and "." in line.split()[0]})
        if unknown:
            raise RuntimeError("ncnn has no " + ", ".join(unknown))
        for part, kind in zip(parts, ("param", "bin")):
            with open(part, "rb") as source, open(f"{stem}.ncnn.{kind}", "wb") as target:
                target.write(source.read())


def prepare(arch, folder):
    import torch

    stem, reasons = os.path.join(folder, arch), {}
    model, side = network(arch)
    seed(model)
    torch.save(model.state_dict(), stem + ".pt")
    with torch.no_grad():
        features = model(torch.zeros(1, 3, side, side)).shape[-1]
        exportable, _ = network(arch, exportable=True)
        exportable.load_state_dict(model.state_dict())
        for kind, make in (("onnx", lambda: write_onnx(exportable, side, stem + ".onnx")),
                           ("ncnn", lambda: write_ncnn(exportable, side, stem))):  # the last: it changes the model
            try:
                make()
            except Exception as problem:
                reasons[kind] = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:160]
    with open(stem + ".json.part", "w") as file:
        json.dump({"side": side, "features": features, "reasons": reasons}, file)
    os.rename(stem + ".json.part", stem + ".json")


if __name__ == "__main__":
    if not os.path.exists(os.path.join(sys.argv[2], sys.argv[1] + ".json")):
        os.makedirs(sys.argv[2], exist_ok=True)
        prepare(*sys.argv[1:])
