"""Runs every benchmark, one after the other in this process: `make bench`."""

import dropout_kernel
import layers
import study_engine

if __name__ == "__main__":
    layers.main()
    dropout_kernel.main()
    study_engine.main()
