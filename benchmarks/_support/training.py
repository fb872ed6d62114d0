"""A state to save and steps to disturb: what a checkpoint benchmark trains."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

BLOCKS = 48


def make_state(size_bytes: int) -> dict[str, Any]:
    """A model's and Adam's state, as plain containers: 48 blocks, 768 tensors.

    Shaped like a transformer or a detector: a few large matrices a block, and its norms and biases.
    """
    width = 64
    while BLOCKS * 3 * 4 * (width + 8) ** 2 <= size_bytes:
        width += 8
    model: dict[str, torch.Tensor] = {}
    for i in range(BLOCKS):
        model[f"blocks.{i}.weight"] = torch.zeros(width, width)
        model[f"blocks.{i}.bias"] = torch.zeros(width)
        model[f"blocks.{i}.norm.weight"] = torch.zeros(width)
        model[f"blocks.{i}.norm.bias"] = torch.zeros(width)
    moments = {
        i: {
            "step": torch.zeros(()),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
        for i, parameter in enumerate(model.values())
    }
    groups = [{"lr": 0.001, "betas": (0.9, 0.999), "params": list(range(len(model)))}]
    return {"model": model, "optimizer": {"state": moments, "param_groups": groups}, "epoch": 3}


def tensors_of(state: Any) -> list[torch.Tensor]:
    """All tensors, in order."""
    if isinstance(state, torch.Tensor):
        return [state]
    if isinstance(state, dict):
        return [tensor for value in state.values() for tensor in tensors_of(value)]
    if isinstance(state, (list, tuple)):
        return [tensor for value in state for tensor in tensors_of(value)]
    return []


def fill(state: Any, step: int) -> None:
    """Give every tensor a value of its own that tells the step."""
    for i, tensor in enumerate(tensors_of(state)):
        tensor.fill_(step * 1000 + i)


def differing(state: Any, step: int) -> int:
    """How many tensors are not as ``fill`` left them."""
    found = tensors_of(state)
    return sum(not bool((tensor == step * 1000 + i).all()) for i, tensor in enumerate(found))


def simulated_step(milliseconds: float) -> Callable[[], None]:
    """A step on an accelerator: a tenth of the time Python that launches kernels, then a wait."""
    weights = torch.zeros(8)

    def step() -> None:
        end = time.perf_counter() + milliseconds / 1000
        launched = time.perf_counter() + milliseconds / 10_000
        while time.perf_counter() < launched:
            weights.add_(1)
        time.sleep(max(0.0, end - time.perf_counter()))

    return step


def cpu_step() -> Callable[[], None]:
    """A step of a small network, forward, backward and optimizer, some 10 ms on one core."""
    model = torch.nn.Sequential(
        torch.nn.Linear(256, 512), torch.nn.ReLU(), torch.nn.Linear(512, 512), torch.nn.ReLU(),
        torch.nn.Linear(512, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters())
    images = torch.randn(256, 256)

    def step() -> None:
        optimizer.zero_grad()
        model(images).square().sum().backward()
        optimizer.step()

    return step
