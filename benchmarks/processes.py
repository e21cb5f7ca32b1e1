"""Images a second of all processes that torchrun started together; `bench.py scaling` runs it."""

import sys

import torch
from bench import images_per_second, net

from vae_lib import distributed

device = distributed.start(sys.argv[1])
torch.set_num_threads(max(1, torch.get_num_threads() // distributed.world()))
rate = images_per_second(device, 1024, network=net(device))
if distributed.rank() == 0:
    print(rate)
