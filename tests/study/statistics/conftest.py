import pytest

NAMES = ("plain", "dropout", "batch_norm", "dropout+batch_norm")
ACCURACIES = {
    "plain": (0.80, 0.82, 0.78),
    "dropout": (0.81, 0.85, 0.80),
    "batch_norm": (0.84, 0.85, 0.85),
    "dropout+batch_norm": (0.85, 0.90, 0.86),
}


@pytest.fixture
def four_arms(make_net):
    """Nets of the four arms by name: three seeds each, 0.1 better in training, losses and calibration of their own."""
    return {
        arm: [
            make_net(
                10 * index + seed,
                arm,
                seed,
                0.2 if "dropout" in arm else 0.0,
                test_score=accuracy,
                train_score=accuracy + 0.1,
                test_loss=0.7 - 0.1 * index,
                train_loss=0.5 - 0.1 * seed,
                validation_score=0.6 + 0.1 * seed,
                best_epoch=4 + 2 * seed,
                calibration_error=0.05 * (1 + index) + 0.01 * seed * index,
            )
            for seed, accuracy in enumerate(ACCURACIES[arm])
        ]
        for index, arm in enumerate(NAMES)
    }
