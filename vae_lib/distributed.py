"""Many processes that train one model: each takes its share of every batch, and the gradients are added.

`torchrun --nproc-per-node 4 -m vae_lib train RECIPE` starts four of them. Without torchrun there is one process, and
every function here does nothing.
"""

import atexit
import os

import torch
import torch.distributed as dist

__all__ = ["add", "any_of", "broadcast", "gather", "rank", "share", "start", "world"]


def start(device="cpu"):
    """Join the processes that torchrun started; returns this process's device ("cuda:2", say).

    Call it once, before the model is built. GPUs talk by NCCL, CPUs by Gloo.
    """
    if "WORLD_SIZE" not in os.environ or dist.is_initialized():
        return device
    if device.startswith("cuda"):
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    atexit.register(_leave)  # else its threads may outlive the interpreter, which ends the process with an abort
    return device


def _leave():
    if dist.is_initialized():
        dist.destroy_process_group()


def rank():
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world():
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def share(index):
    """This process's part of the indices of a global batch: every world-th one, from its rank on."""
    return index[rank()::world()]


def add(tensor):
    """Replace `tensor` by its sum over all processes, in place."""
    if world() > 1:
        dist.all_reduce(tensor)
    return tensor


def broadcast(tensor):
    """Replace `tensor` by that of process 0, in place."""
    if world() > 1:
        dist.broadcast(tensor, 0)
    return tensor


def gather(value):
    """The values of all processes, a list in the order of their ranks."""
    found = [value]
    if world() > 1:
        found = [None] * world()
        dist.all_gather_object(found, value)
    return found


def any_of(flag):
    """Whether `flag` is true in any process: they must all stop together."""
    return any(gather(bool(flag)))
