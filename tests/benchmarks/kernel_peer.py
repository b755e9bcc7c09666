#!/usr/bin/env python3
"""What a researcher would run instead of kernel-variance: the kernel estimates of many pairs as a numpy script.

For each replicate: draw m directions, form the positive features of all x and all y, average their products, and
accumulate mean and second moment of the estimate over the kernel. Prints the processor seconds of the loop.

  kernel_peer.py [pairs] [m] [replicates] [dim]
"""
import sys, time
import numpy as np

pairs, m, replicates, dim = (int(a) for a in (sys.argv[1:] + ["10000", "128", "20", "64"][len(sys.argv) - 1:]))
rng = np.random.default_rng(1)
x, y = (rng.standard_normal((pairs, dim)) / dim**0.5 for _ in range(2))
half_x, half_y = ((r * r).sum(1, keepdims=True) / 2 for r in (x, y))
kernel = np.exp((x * y).sum(1))
first, second = np.zeros(pairs), np.zeros(pairs)
started = time.process_time()
for _ in range(replicates):
    w = rng.standard_normal((dim, m))
    ratio = (np.exp(x @ w - half_x) * np.exp(y @ w - half_y)).mean(1) / kernel
    first += ratio
    second += ratio * ratio
seconds = time.process_time() - started
mean = first / replicates
variance = (second / replicates - mean**2) * replicates / (replicates - 1)
print(f"variance over its closed form,{np.mean(variance / (np.expm1(((x + y)**2).sum(1)) / m)):.4f}")
print(f"seconds,{seconds:.4f}")
