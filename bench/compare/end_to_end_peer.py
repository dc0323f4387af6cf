"""A folder of photos to features as Python programs do it; end_to_end.py starts it as a process and gives it rounds.

    python bench/compare/end_to_end_peer.py timm|onnxruntime --arch A --models MODELS --threads N --batch N

timm          the network in channels_last, timm's own transform, a DataLoader with two workers
onnxruntime   a session on the same photos, decoded and resized by Pillow in a pool of N threads, one batch ahead

One line of JSON when the model is loaded: {"version"}. For each line "FOLDER OUT.npy" on standard input it writes the
features in the order of the sorted paths and answers {"seconds", "n", "peak_mb"}: from listing the folder to the file.
"""
import argparse
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "peers"))
from publisher import network
from serve import status_mb

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def paths_in(folder):
    return sorted(os.path.join(f, n) for f, _, ns in os.walk(folder, followlinks=True) for n in ns)


class Photos:
    """A map-style data set, as DataLoader takes it."""

    def __init__(self, paths, transform):
        self.paths, self.transform = paths, transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        with Image.open(self.paths[i]) as image:
            return self.transform(image.convert("RGB"))


class Timm:
    def __init__(self, a):
        import timm
        import torch

        torch.set_num_threads(a.threads)
        torch.set_grad_enabled(False)
        self.torch, self.version, self.batch = torch, f"timm {timm.__version__}, torch {torch.__version__.split('+')[0]}", a.batch
        self.model, side = network(a.arch)
        self.model.load_state_dict(torch.load(os.path.join(a.models, a.arch + ".pt")))
        self.model = self.model.to(memory_format=torch.channels_last)
        self.transform = timm.data.create_transform((3, side, side), interpolation="bicubic", crop_pct=0.875, mean=MEAN, std=STD)

    def features(self, paths):
        loader = self.torch.utils.data.DataLoader(Photos(paths, self.transform), self.batch, num_workers=2)
        return np.concatenate([self.model(x.contiguous(memory_format=self.torch.channels_last)).numpy() for x in loader])


class OnnxRuntime:
    def __init__(self, a):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = a.threads
        self.session = onnxruntime.InferenceSession(os.path.join(a.models, a.arch + ".onnx"), options, providers=["CPUExecutionProvider"])
        self.version, self.batch, self.threads = "ONNX Runtime " + onnxruntime.__version__, a.batch, a.threads

    @staticmethod
    def tensor(path):
        """Resize the shorter side to 256, bicubic, and cut out the middle 224 x 224."""
        with Image.open(path) as image:
            image = image.convert("RGB")
        scale = 256 / min(image.size)
        image = image.resize([256 if side == min(image.size) else int(side * scale) for side in image.size], Image.Resampling.BICUBIC)
        left, top = (round((side - 224) / 2) for side in image.size)
        pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
        return ((pixels / np.float32(255) - np.float32(MEAN)) / np.float32(STD)).transpose(2, 0, 1)

    def features(self, paths):
        parts = [paths[i:i + self.batch] for i in range(0, len(paths), self.batch)]
        with ThreadPoolExecutor(self.threads) as pool:
            ahead, results = [pool.submit(self.tensor, path) for path in parts[0]], []
            for following in parts[1:] + [[]]:
                x = np.stack([future.result() for future in ahead])
                ahead = [pool.submit(self.tensor, path) for path in following]
                results.append(self.session.run(None, {"x": x})[0])
        return np.concatenate(results)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=("timm", "onnxruntime"))
    for option in ("--arch", "--models"):
        parser.add_argument(option)
    for option in ("--threads", "--batch"):
        parser.add_argument(option, type=int)
    a = parser.parse_args()
    peer = {"timm": Timm, "onnxruntime": OnnxRuntime}[a.name](a)
    print(json.dumps({"version": peer.version}), flush=True)
    for line in sys.stdin:
        folder, out = line.split()
        begin = time.perf_counter()
        features = peer.features(paths_in(folder))
        np.save(out, features)
        print(json.dumps({"seconds": time.perf_counter() - begin, "n": len(features), "peak_mb": status_mb("VmHWM")}), flush=True)


if __name__ == "__main__":
    main()
