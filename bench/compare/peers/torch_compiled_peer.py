"""PyTorch by torch.compile (needs a C++ compiler), with weights frozen into the code, in channels_last."""
import torch
import torch_peer


class Peer(torch_peer.Peer):
    version = torch_peer.Peer.version + " compiled"

    def __init__(self, job):
        super().__init__(job)
        import torch._inductor.config as config

        config.freezing = True
        config.cpp.simdlen = 256 if job.isa == "avx2" else None
        self.model = torch.compile(self.model)


load = Peer
