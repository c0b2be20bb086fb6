"""A data scientist's question: do dropout or batch norm help on this table?"""

import polars as pl
from sklearn.datasets import load_breast_cancer

import dropnorm as dn

bunch = load_breast_cancer(as_frame=True)
table = pl.DataFrame({name: bunch.data[name].to_numpy() for name in bunch.data}).with_columns(
    diagnosis=pl.Series(bunch.target_names[bunch.target])
)

# A small study, to be quick; the defaults are 10 seeds and 100 epochs.
study = dn.run_study(table, target="diagnosis", seeds=3, epochs=10, hidden=(32,), dropout=0.3)
print(study.verdict)
for arm in study.summary.arms:
    low, high = 100 * arm.test_score.low, 100 * arm.test_score.high
    print(f"{arm.arm:20} {100 * arm.test_score.mean:.1f} % ({low:.1f} to {high:.1f})")
print(study.model.predict(table.head(3)))
