import numpy as np
import torch

from dropnorm.study.saving.uncertainty import uncertain_predictions
from dropnorm.surgery.mc_predict import MonteCarlo

TWO = torch.tensor([[0.25, 0.75], [0.9, 0.1]], dtype=torch.float64)


def test_classes_come_with_their_mean_probabilities_and_entropies():
    told = MonteCarlo(TWO, TWO, TWO, TWO, predictive_entropy=TWO[:, 0], mutual_information=TWO[:, 1])
    columns = uncertain_predictions(told, ("a", "b"), 0.0, 1.0)
    names = ["prediction", "probability_a", "probability_b", "predictive_entropy", "mutual_information"]
    assert list(columns) == names
    assert columns["prediction"].tolist() == ["b", "a"]
    assert columns["probability_a"].tolist() == [0.25, 0.9]
    assert columns["predictive_entropy"].tolist() == [0.25, 0.9]
    assert columns["mutual_information"].tolist() == [0.75, 0.1]


def test_a_quantity_is_told_in_its_own_unit():
    value = torch.tensor([[0.5], [-1.0]], dtype=torch.float64)
    told = MonteCarlo(value, torch.full((2, 1), 4.0).double(), value - 1, value + 1, None, None)
    columns = uncertain_predictions(told, (), 100.0, 10.0)
    assert {name: values.tolist() for name, values in columns.items()} == {
        "prediction": [105.0, 90.0],
        "deviation": [20.0, 20.0],
        "low": [95.0, 80.0],
        "high": [115.0, 100.0],
    }
    assert all(values.dtype == np.float64 for values in columns.values())
