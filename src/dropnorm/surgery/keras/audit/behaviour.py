"""Rules on what a Keras model does with data, and on how its losses went."""

from dropnorm.surgery.audit.behaviour import unexplained
from dropnorm.surgery.audit.registry import Seen
from dropnorm.surgery.keras.audit.examination import Examination
from dropnorm.surgery.keras.audit.registry import rule, same_rule
from dropnorm.surgery.keras.audit.state import is_untouched


@rule("DN301")
def modes_differ(examination: Examination) -> Seen:
    """As in torch. What is frozen is in inference mode in both."""
    assert examination.behaviour is not None
    norms = examination.batch_norms.values()
    if not any(is_untouched(norm) for norm in norms):
        yield from unexplained(examination.behaviour, sum(bool(norm.trainable) for norm in norms))


same_rule("DN302")
same_rule("DN303")
same_rule(
    "DN311",
    fix="Keep the weights of epoch {epoch} (EarlyStopping(restore_best_weights=True) does); and try dropnorm.regularize, "
    "more data or augmentation, or weight decay.",
)
same_rule("DN312")
