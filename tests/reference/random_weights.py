"""Fill a network with seeded random numbers under which every tensor matters and activations stay sane."""
import re
import zlib

import torch
from torch.overrides import TorchFunctionMode

LAYER_SCALES = re.compile(r"(^|\.)(gamma|gamma_[12]|lambda1|layer_scale|layer_scale_parameter|gamma\.weight)$")
TABLES = re.compile(r"(cls_token|dist_token|reg_token|mask_token|storage_tokens|distillation_token|register_tokens|class_token|"
                    r"pos_embed|position_embeddings?(\.weight)?|pos_embedding|positional_embedding|class_embedding|"
                    r"bias_table|latent|probe)$")


class NoInitialisation(TorchFunctionMode):
    """Zeros instead of the random initialisation of every number of a big network, all of which fill() replaces."""

    REPLACED = {torch.Tensor.uniform_, torch.Tensor.normal_}

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        if function in self.REPLACED:
            return arguments[0].zero_()
        return function(*arguments, **(keywords or {}))


def values(name, tensor, generator):
    def uniform(low, high):
        return torch.empty(tensor.shape).uniform_(low, high, generator=generator)

    def normal(deviation):
        return torch.empty(tensor.shape).normal_(0, deviation, generator=generator)

    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_var":
        return uniform(0.5, 1.5)
    if leaf == "running_mean":
        return uniform(-0.2, 0.2)
    if leaf == "logit_scale":  # Swin v2's [heads, 1, 1]: some beyond the clamp at ln 100; CLIP's is not used
        return uniform(1, 5)
    if ".grn." in name:
        return uniform(-0.5, 0.5)
    if LAYER_SCALES.search(name):
        return uniform(0.5, 1.5)
    if TABLES.search(name):
        return normal(0.5)
    if tensor.dim() <= 1:
        return uniform(0.5, 1.5) if leaf == "weight" else uniform(-0.2, 0.2)
    if leaf in ("proj", "text_projection"):  # CLIP's [width, embed]
        return normal(tensor.shape[0] ** -0.5)
    return normal((tensor.numel() // tensor.shape[0]) ** -0.5)


def fill(model, seed=0):
    """Every parameter, and the buffers that training would have filled. The others are part of the architecture."""
    statistics = [(n, b) for n, b in model.named_buffers() if "running_" in n]
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *statistics]:
            generator = torch.Generator().manual_seed(zlib.crc32(name.encode()) + seed)
            tensor.copy_(values(name, tensor, generator))
    return model


def random_tensor(name, shape, seed=0):
    """A tensor that publishers ship beside a network (decoders, projection heads): named as a parameter would be."""
    tensor = torch.empty(shape)
    return values(name, tensor, torch.Generator().manual_seed(zlib.crc32(name.encode()) + seed))
