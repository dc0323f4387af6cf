"""The engines of compare.py: this program, and each peer in a process of its own (peers/serve.py)."""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Failure(Exception):
    """Why an engine takes no part."""


def environment(isa, threads):
    """Of a peer: as many threads in every library, and no wider vectors than `isa` where a library can be told."""
    own = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    if isa == "avx2":
        own.update(ONEDNN_MAX_CPU_ISA="AVX2", DNNL_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2", MKL_ENABLE_INSTRUCTIONS="AVX2")
    return own


def last_line(path):
    with open(path, errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return lines[-1][:160] if lines else "ended without a word"


class Backbones:
    name = "backbones"

    def __init__(self, binary, isa, job):
        self.binary, self.job = binary, job
        self.environment = dict(os.environ, **({"BACKBONES_ISA": isa} if isa else {}))
        self.device = "cpu:bf16" if job["dtype"] == "bf16" else "cpu"

    def call(self, *arguments):
        result = subprocess.run([self.binary, *map(str, arguments)], env=self.environment, capture_output=True, text=True)
        if result.returncode:
            raise Failure(result.stderr.strip() or f"status {result.returncode}")
        return result.stdout

    def features(self, pixels):
        """Of uint8 pictures [n, side, side, 3], as files of that size: nothing is resized."""
        with tempfile.TemporaryDirectory() as folder:
            photos, out = os.path.join(folder, "photos"), os.path.join(folder, "out")
            os.mkdir(photos)
            for i, picture in enumerate(pixels):
                with open(os.path.join(photos, f"{i:06}.ppm"), "wb") as file:
                    file.write(b"P6\n%d %d\n255\n" % (pixels.shape[2], pixels.shape[1]) + picture.tobytes())
            self.call("features", "-w", "seeded:" + self.job["arch"], "-d", photos, "-o", out, "--crop-mode", "none",
                      "--mean", ",".join(map(str, MEAN)), "--std", ",".join(map(str, STD)), "--input-size", pixels.shape[1],
                      "-b", self.job["batch"], "-t", self.job["threads"], "--device", self.device, "-q")
            return np.load(os.path.join(out, "features.npy"))

    def pid(self):
        return os.getpid()  # whose children the rounds are

    def round(self, seconds):
        arguments = ("--arch", self.job["arch"], "--batch", self.job["batch"], "--threads", self.job["threads"], "--device", self.device)
        row = json.loads(self.call("bench", *arguments, "--seconds", seconds, "--json"))["rows"][0]
        return row["images_per_s"], row["peak_mb"]

    def stop(self):
        pass


class Peer:
    def __init__(self, name, isa, job, models, folder):
        """Starts it on folder/x.npy; raises Failure, or has .features, .version and .note."""
        self.name, output, self.log = name, os.path.join(folder, name + ".npy"), os.path.join(folder, name + ".log")
        command = [sys.executable, os.path.join(HERE, "peers", "serve.py"), name, "--arch", job["arch"], "--folder", models,
                   "--batch", str(job["batch"]), "--threads", str(job["threads"]), "--isa", isa, "--dtype", job["dtype"],
                   "--input", os.path.join(folder, "x.npy"), "--output", output]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                            env=environment(isa, job["threads"]))
        ready = self.answer()
        self.version, self.note, self.import_mb = ready["version"], ready["note"], ready["import_mb"]
        self.features = np.load(output)

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise Failure(last_line(self.log))
        return json.loads(line)

    def pid(self):
        return self.process.pid

    def round(self, seconds):
        self.process.stdin.write(f"round {seconds}\n")
        self.process.stdin.flush()
        result = self.answer()
        return result["images_per_s"], result["peak_mb"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
