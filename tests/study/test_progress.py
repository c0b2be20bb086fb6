from types import SimpleNamespace

import torch

from dropnorm.study.arms import named_arm
from dropnorm.study.design import NetPlan
from dropnorm.study.progress import ArmProgress, Tracker


def test_nets_are_counted_and_their_latest_scores_kept(make_net, make_history):
    plain, dropout, norm = (named_arm(name, (0.5,)) for name in ("plain", "dropout", "batch_norm"))
    arms = [plain, plain, dropout, dropout, norm, norm]
    plans = [NetPlan(net, arm, net % 2, 0.0) for net, arm in enumerate(arms)]
    # The block of nets 4 and 5 is finished; of the other, net 1 has stopped.
    tracker = Tracker(plans, [make_net(4, validation_score=0.6), make_net(5, validation_score=0.8)], "classification")
    trainer = SimpleNamespace(
        plans=plans[:4], active=torch.tensor([0, 2, 3]), epoch=5, limits=SimpleNamespace(epochs=10)
    )
    records = [make_history(net, [0.1])[0].model_copy(update={"validation_score": net / 10}) for net in range(4)]
    progress = tracker.after_epoch(trainer, records)
    assert (progress.nets, progress.nets_in_training, progress.nets_finished) == (6, 3, 3)
    assert progress.done == (3 + 3 * 0.5) / 6
    assert progress.arms == ("plain", "dropout")
    assert progress.by_arm == (
        ArmProgress("plain", 2, 1, 1, 0.05),
        ArmProgress("dropout", 2, 0, 2, 0.25),
        ArmProgress("batch_norm", 2, 2, 0, 0.7),
    )
    later = tracker.after_epoch(trainer, [records[3].model_copy(update={"validation_score": 1.0})])
    assert later.by_arm[0].validation_score == 0.05, "that of a net that stopped stays"
    assert later.by_arm[1].validation_score == 0.6
    tracker.finish(plans[:4])
    assert tracker.finished == {0, 1, 2, 3, 4, 5}
