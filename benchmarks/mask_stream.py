"""The masks' bits as a stream of bytes, for batteries of tests of random numbers.

For example: python benchmarks/mask_stream.py 1000000000 | dieharder -a -g 200
"""

import argparse
import sys

import numpy as np
import torch

from dropnorm.kernels import cpu

ROWS, COLUMNS = 4096, 8192


def main() -> None:
    """Write decisions at p = 0.5, eight to a byte, of rows and columns in order and of the keys 0, 1, 2, ..."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bytes", type=int, help="how many to write")
    left, key = parser.parse_args().bytes, 0
    ones = torch.ones(ROWS, COLUMNS, dtype=torch.bfloat16)
    while left > 0:
        kept = cpu.dropout(ones, [0.5], torch.tensor(key), 0, None, False)
        packed = np.packbits(kept.bool().numpy(), bitorder="little").tobytes()[:left]
        try:
            sys.stdout.buffer.write(packed)
        except BrokenPipeError:  # the battery has seen enough
            sys.stderr.close()
            return
        left, key = left - len(packed), key + 1


if __name__ == "__main__":
    main()
