"""ncnn: float32, one image a call, as its networks have no batch."""
import ncnn
import numpy as np


class Peer:
    version = "ncnn " + ncnn.__version__

    def __init__(self, job):
        self.net = ncnn.Net()
        self.net.opt.num_threads = job.threads
        self.net.opt.use_vulkan_compute = False
        for kind in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
            setattr(self.net.opt, "use_" + kind, False)
        if self.net.load_param(job.stem + ".ncnn.param") or self.net.load_model(job.stem + ".ncnn.bin"):
            raise RuntimeError("ncnn cannot load the converted model")
        self.note = "its kernels cannot be held to AVX2" if job.isa else ""

    def run(self, image):
        with self.net.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(image))
            status, out = extractor.extract("out0")
            if status:
                raise RuntimeError(f"ncnn: status {status}")
            return np.array(out).ravel()

    def features(self, x):
        self.x = x
        return np.stack([self.run(image) for image in x])

    def step(self):
        for image in self.x:
            self.run(image)
        return len(self.x)


load = Peer
