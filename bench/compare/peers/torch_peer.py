"""PyTorch as the publisher's code runs it (eager), in channels_last; in bfloat16 by autocast, as
torch advises."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import torch

from publisher import network


class Peer:
    version = "torch " + torch.__version__.split("+")[0]

    def __init__(self, job):
        torch.set_num_threads(job.threads)
        torch.set_num_interop_threads(1)
        torch.set_grad_enabled(False)
        self.model, _ = network(job.arch)
        self.model.load_state_dict(torch.load(job.stem + ".pt", mmap=True))
        self.model = self.model.to(memory_format=torch.channels_last)
        self.bf16 = job.dtype == "bf16"

    def features(self, x):
        self.x = torch.from_numpy(x).contiguous(memory_format=torch.channels_last)
        return self.run().float().numpy()

    def run(self):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            return self.model(self.x)

    def step(self):
        self.run()
        return len(self.x)


load = Peer
