"""What PyTorch's batch norm, linear layer and SGD, and LARS after its paper, make of the linear probe's protocol.

    make_sgd_fixtures.py        writes tests/fixtures/sgd.txt; torch 2.15.0

Data, first weights and the order of the photos come from the program's own seeded streams (images/random.h), so that both
train on the same batches. Everything is float64. A line a case:
    optimizer batch_norm photos views d classes batch epochs warmup rate weight_decay loss, then the weights
[classes, d] and the bias [classes] of the layer with the batch norm folded in, for features as they are.
"""
import math
import os

import torch

MASK = (1 << 64) - 1


class Stream:
    """splitmix64 begun by a seed, a text and a number, as images/random.c has it."""

    def __init__(self, seed, text, number):
        state = 0xCBF29CE484222325
        for byte in text.encode():
            state = ((state ^ byte) * 0x100000001B3) & MASK
        self.state = self.mix((state + self.mix((seed + 0x9E3779B97F4A7C15 * (number + 1)) & MASK)) & MASK)
        self.spare = None

    @staticmethod
    def mix(z):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def bits(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        return self.mix(self.state)

    def uniform(self):
        return (self.bits() >> 11) * 2.0**-53

    def normal(self):
        if self.spare is not None:
            value, self.spare = self.spare, None
            return value
        while True:
            x, y = 2 * self.uniform() - 1, 2 * self.uniform() - 1
            square = x * x + y * y
            if 0 < square < 1:
                break
        factor = math.sqrt(-2 * math.log(square) / square)
        self.spare = y * factor
        return x * factor


def draw(rows, d, classes, views):
    """float32 values, as features are; a photo's class moves its features."""
    stream = Stream(3, "features", 0)
    x = [[stream.uniform() * (1 + j % 3) + (0.3 if j % classes == i // views % classes else 0) for j in range(d)]
         for i in range(rows)]
    return torch.tensor(x, dtype=torch.float32).double(), torch.tensor([i // views % classes for i in range(rows)])


class Lars:
    """You, Gitman, Ginsburg 2017, with momentum, for tensors of two dimensions; plain steps for others (MoCo v3, MAE)."""

    def __init__(self, parameters, momentum, weight_decay, trust=0.001):
        self.parameters, self.momentum, self.weight_decay, self.trust = list(parameters), momentum, weight_decay, trust
        self.buffers = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self, rate):
        for p, buffer in zip(self.parameters, self.buffers):
            gradient = p.grad
            if p.ndim > 1:
                gradient = gradient + self.weight_decay * p
                sizes = p.norm(), gradient.norm()
                if sizes[0] > 0 and sizes[1] > 0:
                    gradient = gradient * (self.trust * sizes[0] / sizes[1])
            buffer.mul_(self.momentum).add_(gradient)
            p.sub_(rate * buffer)


class Sgd:
    """torch.optim.SGD; weight decay on the weights alone."""

    def __init__(self, parameters, momentum, weight_decay):
        weight, bias = parameters
        groups = [{"params": [weight], "weight_decay": weight_decay}, {"params": [bias], "weight_decay": 0}]
        self.optimizer = torch.optim.SGD(groups, lr=1, momentum=momentum)

    def step(self, rate):
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()


def rate_at(epoch, rate, epochs, warmup):
    if epoch < warmup:
        return rate * epoch / warmup
    return rate * 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup)))


def train(optimizer, batch_norm, photos, views, d, classes, batch, epochs, warmup, rate, weight_decay):
    seed = 5
    x, labels = draw(photos * views, d, classes, views)
    norm = torch.nn.BatchNorm1d(d, eps=1e-6, affine=False).double() if batch_norm else torch.nn.Identity()
    layer = torch.nn.Linear(d, classes).double()
    stream = Stream(seed, "weights", 0)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.01 * stream.normal() for _ in range(d)] for _ in range(classes)]))
        layer.bias.zero_()
    kind = Lars if optimizer == "lars" else Sgd
    steps = kind([layer.weight, layer.bias], 0.9, weight_decay)
    size = min(batch, photos)
    per_epoch = photos // size
    for epoch in range(epochs):
        order, stream = list(range(photos)), Stream(seed, "order", epoch)
        for i in range(photos, 1, -1):
            j = stream.bits() % i
            order[j], order[i - 1] = order[i - 1], order[j]
        losses = []
        for step in range(per_epoch):
            rows = [p * views + (p + epoch) % views for p in order[step * size : (step + 1) * size]]
            loss = torch.nn.functional.cross_entropy(layer(norm(x[rows])), labels[rows])
            layer.zero_grad()
            loss.backward()
            steps.step(rate_at(epoch + step / per_epoch, rate * batch / 256, epochs, warmup))
            losses.append(loss.item())
    with torch.no_grad():
        scale = (norm.running_var + norm.eps).rsqrt() if batch_norm else torch.ones(d).double()
        mean = norm.running_mean if batch_norm else torch.zeros(d).double()
        weight = layer.weight * scale
        return sum(losses) / len(losses), torch.cat([weight.flatten(), layer.bias - weight @ mean])


CASES = [
    ("lars", 1, 70, 1, 9, 3, 32, 60, 3, 20.0, 0.0),
    ("lars", 0, 41, 1, 17, 5, 64, 100, 0, 8.0, 0.001),
    ("sgd", 1, 150, 1, 70, 4, 25, 5, 1, 2.0, 0.01),
    ("sgd", 0, 64, 1, 5, 2, 16, 8, 8, 3.0, 0.0),
    ("lars", 1, 30, 3, 12, 3, 8, 40, 2, 64.0, 0.0),
]

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "..", "fixtures", "sgd.txt"), "w") as file:
        for case in CASES:
            loss, values = train(*case)
            file.write(" ".join(str(c) for c in case) + f" {loss:.10g}\n")
            file.write(" ".join(f"{v:.8g}" for v in values.tolist()) + "\n")
