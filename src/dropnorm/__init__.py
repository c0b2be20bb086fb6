"""Dropout and batch normalization done right: reproducible layers, and studies that prove what helps.

`nn` has layers for PyTorch, `keras` for Keras 3, `ops` the operations under them, `random` the keys; `run_study` answers
on your own data.
Everything is imported at first use, so that `import dropnorm` is quick and pulls in nothing that you do not need.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dropnorm import errors, nn, ops, random
    from dropnorm.report import write_report
    from dropnorm.study.data.column_descriptions import describe_columns
    from dropnorm.study.progress import Progress
    from dropnorm.study.records import Arm
    from dropnorm.study.run import Study, run_study
    from dropnorm.study.runs.comparing import RunComparison, compare_runs
    from dropnorm.study.runs.listing import RunOverview, list_runs
    from dropnorm.study.runs.loading import load_run
    from dropnorm.study.saving.loading import load_model
    from dropnorm.study.saving.onnx_model import export_onnx
    from dropnorm.study.saving.saved_model import SavedModel
    from dropnorm.surgery.audit.audit import audit
    from dropnorm.surgery.fold import fold
    from dropnorm.surgery.fuse import fuse
    from dropnorm.surgery.mc_predict import MonteCarlo, mc_predict
    from dropnorm.surgery.recalibrate import recalibrate
    from dropnorm.surgery.regularize import regularize
    from dropnorm.surgery.remove import remove

__all__ = [
    "Arm",
    "MonteCarlo",
    "Progress",
    "RunComparison",
    "RunOverview",
    "SavedModel",
    "Study",
    "audit",
    "compare_runs",
    "describe_columns",
    "errors",
    "export_onnx",
    "fold",
    "fuse",
    "list_runs",
    "load_model",
    "load_run",
    "mc_predict",
    "nn",
    "ops",
    "random",
    "recalibrate",
    "regularize",
    "remove",
    "run_study",
    "write_report",
]

_HOMES = {
    "Arm": "dropnorm.study.records",
    "MonteCarlo": "dropnorm.surgery.mc_predict",
    "Progress": "dropnorm.study.progress",
    "RunComparison": "dropnorm.study.runs.comparing",
    "RunOverview": "dropnorm.study.runs.listing",
    "SavedModel": "dropnorm.study.saving.saved_model",
    "Study": "dropnorm.study.run",
    "compare_runs": "dropnorm.study.runs.comparing",
    "describe_columns": "dropnorm.study.data.column_descriptions",
    "audit": "dropnorm.surgery.audit.audit",
    "export_onnx": "dropnorm.study.saving.onnx_model",
    "list_runs": "dropnorm.study.runs.listing",
    "fold": "dropnorm.surgery.fold",
    "fuse": "dropnorm.surgery.fuse",
    "load_model": "dropnorm.study.saving.loading",
    "load_run": "dropnorm.study.runs.loading",
    "mc_predict": "dropnorm.surgery.mc_predict",
    "recalibrate": "dropnorm.surgery.recalibrate",
    "regularize": "dropnorm.surgery.regularize",
    "remove": "dropnorm.surgery.remove",
    "run_study": "dropnorm.study.run",
    "write_report": "dropnorm.report",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("dropnorm")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    # Not among the names that a star imports: Keras is an extra.
    if name in (*__all__, "keras"):
        return importlib.import_module(f"dropnorm.{name}")
    raise AttributeError(f"module 'dropnorm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "keras", "__version__"]
