"""A plugin of pytest for `make sanitize`: the kernels that the tests run are those of build/sanitize."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import torch  # noqa: F401  first, as its OpenMP runtime is that of the kernels

(built,) = Path("build/sanitize/dropnorm/kernels").glob("_cpu.*.so")
spec = spec_from_file_location("dropnorm.kernels._cpu", built)
assert spec
assert spec.loader
sys.modules[spec.name] = module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])
