"""Tensors through a pipe, as they were, and nothing shared."""

from __future__ import annotations

from multiprocessing import Pipe
from typing import Any

import pytest
import torch
from torchvision.tv_tensors import BoundingBoxes

from fastload.background.wire import send
from support.loaders import holdings

TYPES = (
    torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.complex64, torch.int64,
    torch.uint8, torch.bool,
)  # fmt: skip


def through(value: Any) -> Any:
    """What arrives."""
    there, here = Pipe()
    with there, here:
        send(there, value)
        return here.recv()


def test_tensors_arrive_as_they_were():
    """Types, shapes and values, and classes; the receiver's own."""
    tensors = [torch.arange(6).to(dtype).reshape(2, 3) for dtype in TYPES]
    tensors += [torch.tensor(1.0), torch.empty(0, 4), torch.arange(9.0)[::2], torch.ones(3, 2).T]
    before = holdings()
    arrived = through({"a": [tensors]})["a"][0]
    assert holdings().shared_files == before.shared_files
    for old, new in zip(tensors, arrived, strict=True):
        assert (new.dtype, new.shape, new.stride()) == (old.dtype, old.shape, old.stride())
        assert torch.equal(new, old)
        new.zero_()
        assert not old.is_shared()
        assert not new.is_shared()
    boxes = BoundingBoxes(torch.ones(1, 4), format="XYXY", canvas_size=(9, 9))
    assert type(through(boxes)) is BoundingBoxes
    assert not boxes.is_shared()


def test_what_belongs_together_arrives_together():
    """Views of one tensor; a model's parameters, those that are tied and those that are frozen."""
    base = torch.ones(4)
    whole, part = through((base, base[2:]))
    whole.zero_()
    assert part.tolist() == [0, 0]
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    model[1].weight = model[0].weight
    model[0].bias.requires_grad_(False)
    arrived = through(model)
    assert arrived[1].weight is arrived[0].weight
    flags = [(name, p.requires_grad) for name, p in model.named_parameters()]
    assert [(name, p.requires_grad) for name, p in arrived.named_parameters()] == flags
    assert torch.equal(arrived(torch.ones(1, 3)), model(torch.ones(1, 3)))


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # of torch, to whoever makes one
def test_sparse_tensors_arrive_too():
    """By what they are made of."""
    sparse = torch.eye(3).to_sparse()
    assert torch.equal(through(sparse).to_dense(), torch.eye(3))
