"""Loaders that are left, shared, forked, pickled and ended: nothing stays behind."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
import torch
from torchvision.datasets import ImageFolder

from fastload import DataLoader, LMDBDataset
from support.children import epoch_sums, epochs_in_child
from support.loaders import STILL, assert_same, epoch, holdings, settled
from support.programs import run_programs

pytestmark = pytest.mark.usefixtures("nothing_left")


def fail_in_the_loop(loader: Any) -> None:
    """As a training step may."""
    for _batch in loader:
        raise KeyError


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_leaving_the_loop(dataset, workers):
    """By break, by an exception, by forgetting the iterator."""
    for _ in range(10):
        for _batch in DataLoader(dataset, batch_size=4, num_workers=workers):
            break
        with pytest.raises(KeyError):
            fail_in_the_loop(DataLoader(dataset, batch_size=4, num_workers=workers))
        iter(DataLoader(dataset, batch_size=4, num_workers=workers))


def test_two_iterators_of_one_loader(dataset):
    """Each is an epoch of its own."""
    loader = DataLoader(dataset, batch_size=4, num_workers=2)
    expected = epoch(loader)
    pairs = list(zip(loader, loader, strict=True))
    assert_same([one for one, _ in pairs], expected)
    assert_same([other for _, other in pairs], expected)


def test_several_loaders_at_once(dataset):
    """As for training and validation."""
    loaders = [DataLoader(dataset, batch_size=4, num_workers=1) for _ in range(4)]
    expected = epoch(loaders[0])
    for together in zip(*loaders, expected, strict=True):
        for batch in together[:-1]:
            assert_same(batch, together[-1])


def test_iterators_in_threads(dataset):
    """Several threads with a loader each, and with one loader."""
    shared = DataLoader(dataset, batch_size=4, num_workers=2)
    expected, found = epoch(shared), {}

    def work(number: int) -> None:
        loader = shared if number % 2 else DataLoader(dataset, batch_size=4, num_workers=1)
        found[number] = list(loader)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4
    for batches in found.values():
        assert_same(batches, expected)


def test_threads_that_begin_an_epoch_at_once_each_have_all_of_it(dataset):
    """The second begins while the first is still asking its sampler."""
    found = []

    class Batches(list):
        asked = 0

        def __iter__(self):
            self.asked += 1
            if self.asked == 1:
                second.start()
                second.join(0.3)  # as far as it gets
            return super().__iter__()

    order = Batches([[row, row + 1] for row in range(0, 24, 2)])
    loader = DataLoader(dataset, batch_sampler=order, num_workers=2)
    second = threading.Thread(target=lambda: found.extend(loader))
    batches = list(loader)
    second.join(60)
    assert len(batches) == 12
    assert_same(found, batches)


def test_iterator_outlives_its_loader(dataset):
    """``for batch in DataLoader(...)`` keeps no loader."""
    iterator = iter(DataLoader(dataset, batch_size=4, num_workers=2))
    gc.collect()
    assert len(list(iterator)) == 6


def test_batches_outlive_everything(dataset):
    """Their memory is theirs."""
    loader = DataLoader(dataset, batch_size=4, num_workers=2)
    batches = epoch(loader)
    sums = [images.sum().item() for images, _ in batches]
    del loader
    gc.collect()
    torch.empty(1 << 20).fill_(3)
    assert [images.sum().item() for images, _ in batches] == sums


def test_iterator_that_ended_stays_ended(dataset):
    """As torch's do."""
    iterator = iter(DataLoader(dataset, batch_size=12, num_workers=1))
    assert len(list(iterator)) == 2
    assert list(iterator) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_pickle_and_copies(dataset, workers):
    """They carry the arguments; not the epoch that is under way."""
    loader = DataLoader(dataset, batch_size=4, num_workers=workers)
    expected = epoch(loader)
    iterator = iter(loader)
    next(iterator)
    for again in (pickle.loads(pickle.dumps(loader)), copy.copy(loader), copy.deepcopy(loader)):
        assert again.memory_budget_bytes == loader.memory_budget_bytes
        assert_same(epoch(again), expected)
    assert len(list(iterator)) == 5


def test_forked_children_iterate_for_themselves(dataset):
    """A child has none of its parent's threads; the parent goes on undisturbed."""
    loader = DataLoader(dataset, batch_size=4, num_workers=1)
    expected = epoch_sums(loader)
    iterator = iter(loader)
    next(iterator)
    assert epochs_in_child([loader], "fork") == [expected]
    assert len(list(iterator)) == 5


def test_spawned_children_iterate_for_themselves(photo_store, photo_folder):
    """Whatever their data set is; both go to one child, whose start takes seconds."""
    datasets = [LMDBDataset(photo_store, STILL), ImageFolder(str(photo_folder), STILL)]
    loaders = [DataLoader(dataset, batch_size=4, num_workers=1) for dataset in datasets]
    expected = [epoch_sums(loader) for loader in loaders]
    iterators = [iter(loader) for loader in loaders]
    for iterator in iterators:
        next(iterator)
    assert epochs_in_child(loaders, "spawn") == expected
    assert [len(list(iterator)) for iterator in iterators] == [5, 5]


def test_inherited_iterator_says_whose_it_is(dataset):
    """In a forked child; instead of waiting for threads that are not there."""
    iterator = iter(DataLoader(dataset, batch_size=4, num_workers=1))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            next(iterator)
            os.write(writer, b"got a batch")
        except RuntimeError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        message = pipe.read().decode()
    os.waitpid(child, 0)
    assert f"belongs to process {os.getpid()}" in message


PROGRAM = """
import sys, threading
import torch
from torchvision import transforms
from fastload import DataLoader, LMDBDataset
transform = transforms.Compose([transforms.Resize((64, 64)), transforms.ToTensor()])
loader = DataLoader(LMDBDataset(sys.argv[1], transform), batch_size=2, num_workers=2,
                    persistent_workers=True)
iterator = iter(loader)
next(iterator)
"""

ENDINGS = {
    "end": ("", 0),
    "exit": ("sys.exit(3)", 3),
    "exception": ("raise ValueError", 1),
    "thread": ("threading.Thread(target=list, args=(iterator,)).start()", 0),
}


def test_interpreter_exit(photo_store):
    """With batches under way: at once, and with the program's own exit code."""
    found = run_programs([PROGRAM + last for last, _ in ENDINGS.values()], photo_store)
    for (ending, (_, code)), done in zip(ENDINGS.items(), found, strict=True):
        assert done.returncode == code, (ending, done.stderr)
        assert "Fatal" not in done.stderr
        assert ("ValueError" in done.stderr) if ending == "exception" else not done.stderr, done


def test_interrupt_while_waiting(photo_store):
    """Ctrl-C ends the wait for a batch within a moment."""
    program = PROGRAM + (
        "import time\n"
        "from fastload.engine.pictures import StorePictures\n"
        "StorePictures.open = lambda self, index: time.sleep(1)\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    for batch in loader: pass\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(photo_store)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert not settled(lambda: process.poll() is not None, seconds=0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode in (-signal.SIGINT, 130, 1)
    assert "KeyboardInterrupt" in errors


@pytest.mark.slow
def test_many_loaders_leave_nothing(photo_store):
    """Memory too."""

    def work(count: int) -> None:
        for number in range(count):
            loader = DataLoader(
                LMDBDataset(photo_store, STILL), batch_size=4, shuffle=True, num_workers=number % 3
            )
            for batch_number, _batch in enumerate(loader):
                if batch_number == number % 7:
                    break

    work(40)
    before = holdings()
    work(120)
    after = holdings()
    assert after.anonymous_bytes - before.anonymous_bytes < 8 << 20
