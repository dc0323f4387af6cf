"""Seeded weights by tensor name: the twin of seeded_values() in models/weights.c (numpy only)."""
import numpy as np


def seeded(name, shape, seed):
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    state ^= seed
    count = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        z = np.uint64(state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    u = (z >> np.uint64(40)).astype(np.float64) * 2.0**-24
    low, high = -0.2, 0.2
    if name.endswith(("gamma", "gamma_1", "gamma_2")):  # layer scales
        low, high = 0.5, 1.5
    elif name.endswith("logit_scale"):  # Swin v2's, some beyond its clamp at ln 100
        low, high = 1.0, 5.0
    elif any(part in name for part in ("_token", "pos_embed", "bias_table", "latent")):
        low, high = -0.5, 0.5
    elif len(shape) >= 2:
        high = np.sqrt(3.0 / (count // shape[0]))
        low = -high
    elif name.endswith(".weight") or name.endswith("running_var"):
        low, high = 0.5, 1.5
    return (low + (high - low) * u).astype(np.float32).reshape(shape)
