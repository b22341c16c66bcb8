"""Takes all of the GPU's memory that is free but for a few MB, says how much, and holds it until its input ends."""

import sys

import torch

held = []
size = 2**32
while size >= 2**22:
    try:
        held.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
    except torch.OutOfMemoryError:
        size //= 2
print(sum(tensor.numel() for tensor in held), flush=True)
sys.stdin.read()
