"""Runs every benchmark, one after the other in this process: `make bench`."""

import layers
import study_engine

if __name__ == "__main__":
    layers.main()
    study_engine.main()
