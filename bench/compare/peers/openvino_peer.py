"""OpenVINO: fixed shape, products in float32 or bfloat16. One image a call is its latency mode. More are a batch a stream in as many streams as it
likes (its throughput mode) or a batch at a time on all threads, whichever is the faster: each is tried in a process of its
own, so that the memory is that of one."""
import argparse
import os
import subprocess
import sys
import time

import numpy as np
import openvino


def faster_hint(job):
    if job.batch == 1 or job.threads == 1:
        return "LATENCY"
    command = [sys.executable, os.path.abspath(__file__), job.stem, str(job.batch), str(job.threads), job.input, job.dtype, job.isa]
    rates = {hint: float(subprocess.run(command + [hint], check=True, capture_output=True, text=True).stdout)
             for hint in ("LATENCY", "THROUGHPUT")}
    return max(rates, key=rates.get)


def uses_mlas(compiled):
    """Whether matrix products are done by MLAS, which chooses its vectors by the CPU alone, whatever oneDNN is told."""
    infos = [operation.get_rt_info() for operation in compiled.get_runtime_model().get_ops()]
    return any("mlas" in info["primitiveType"].astype(str) for info in infos if "primitiveType" in info)


class Peer:
    version = "OpenVINO " + openvino.get_version().split("-")[0]

    def __init__(self, job, hint=None):
        hint = hint or faster_hint(job)
        core = openvino.Core()
        model = core.read_model(job.stem + ".onnx")
        shape = model.input(0).partial_shape
        shape[0] = job.batch
        model.reshape(shape)
        self.compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": job.threads, "PERFORMANCE_HINT": hint,
                                                          "INFERENCE_PRECISION_HINT": job.dtype})
        self.count = 1 if hint == "LATENCY" else self.compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self.note = f"{hint.lower()} mode"
        if job.isa and uses_mlas(self.compiled):
            self.note += " with matrix products that cannot be held to AVX2"

    def features(self, x):
        self.x = x
        self.requests = openvino.AsyncInferQueue(self.compiled, self.count)
        for request in self.requests:
            request.set_input_tensor(openvino.Tensor(x, shared_memory=True))
        self.step()
        return self.requests[0].get_output_tensor().data.copy()

    def step(self):
        for _ in range(self.count):
            self.requests.start_async()
        self.requests.wait_all()
        return self.count * len(self.x)


load = Peer


def main():
    """images/s in the given mode, over two seconds"""
    parser = argparse.ArgumentParser()
    parser.add_argument("stem")
    parser.add_argument("batch", type=int)
    parser.add_argument("threads", type=int)
    parser.add_argument("input")
    parser.add_argument("dtype")
    parser.add_argument("isa")
    parser.add_argument("hint")
    job = parser.parse_args()
    peer = Peer(job, job.hint)
    peer.features(np.load(job.input))
    images, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < 2:
        images += peer.step()
    print(images / (time.perf_counter() - begin))


if __name__ == "__main__":
    main()
