"""Runs every benchmark, one after the other in this process: `make bench`."""

import keras_layers
import kernels
import layers
import sizes
import study_engine
import study_growth
import study_memory
import study_step
import surgery
import training_step

if __name__ == "__main__":
    studies = study_step, study_engine, study_growth, study_memory
    for benchmark in (layers, kernels, training_step, *studies, surgery, sizes, keras_layers):
        benchmark.main()
