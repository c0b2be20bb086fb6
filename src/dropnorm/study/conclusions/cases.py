"""All that a verdict may say: one table of cases, each with its words, and with those for studies of few seeds.

What stands in braces is filled in by `dropnorm.study.conclusions.verdict`, which also decides which case holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from dropnorm.study.records import CaseName, StateName


@dataclass(frozen=True)
class Case:
    """The words of one case. `few` are those where too few seeds make nothing sure; empty where both are said alike."""

    words: str
    few: str = ""

    def say(self, few: bool = False, /, **filled: str) -> str:
        """The words with what belongs into their braces."""
        return (self.few if few and self.few else self.words).format(**filled)


STATES: Mapping[StateName, Case] = {
    "overfitting": Case("The plain net overfits: {scores}, a gap of {gap}."),
    "too_little_data": Case(
        "There is too little data to say whether the plain net overfits: {scores}, a gap between {low} and {high} (95 % "
        "interval)."
    ),
    "underfitting": Case(
        "The plain net underfits, or there is no more to learn: {scores}. On its training rows, that is {learned}."
    ),
    "fine": Case("The plain net is fine: {scores}, {gap}."),
    "shifted": Case(
        "{rows}: {scores}. The step from validation to test rows is none that regularization closes: in every arm it is as "
        "large, since the rows themselves are others."
    ),
}
NO_GAP = Case("no evidence of overfitting")
SLIGHT_GAP = Case("a gap of {gap}, too small to matter")
UNSURE_GAP = Case("a gap of {gap}, no evidence of overfitting")
LEARNED = Case("{skill} % (95 % interval {low} to {high}) of the way from {constant} to being never wrong")
LEARNED_NOTHING = Case("no better than {constant}")
LATER_ROWS = Case("The later rows are other rows than the earlier ones")
GIVEN_ROWS = Case("The rows of the given test part are other rows than those to learn from")

CONSTANT = Case("On new rows the plain net is not surely better than {constant} ({score}).")

ARMS: Mapping[CaseName, Case] = {
    "shown": Case(
        "{arm} helps, and {verb} test {metric} by {size}",
        few="{arm} seems to help, and {verb} test {metric} by {size}",
    ),
    "harmful": Case(
        "{arm} does harm, and {verb} test {metric} by {size}",
        few="{arm} seems to do harm, and {verb} test {metric} by {size}",
    ),
    "likely": Case("{arm} may help: it is ahead of plain by {lead} on validation rows, and {on_test}"),
    "not_shown": Case("there is no evidence that {arms} {change} test {metric} ({spans})"),
}
SUMMED_UP: Mapping[CaseName, Case] = {
    "shown": Case(
        "{count} of {of} arms help, most of all {arm}, which {verb} test {metric} by {size}",
        few="{count} of {of} arms seem to help, most of all {arm}, which {verb} test {metric} by {size}",
    ),
    "harmful": Case(
        "{count} of {of} arms do harm, most of all {arm}, which {verb} test {metric} by {size}",
        few="{count} of {of} arms seem to do harm, most of all {arm}, which {verb} test {metric} by {size}",
    ),
    "likely": Case(
        "{count} of {of} arms may help, first of all {arm}: it is ahead of plain by {lead} on validation rows, and {on_test}"
    ),
    "not_shown": Case("{count} of {of} arms {show} no evidence of a change in test {metric} ({spans})"),
}
LEVEL_ON_TEST = Case("level with it on test rows")
AHEAD_ON_TEST = Case("by {size} on test rows, which is not sure")
TOO_FEW = Case("{units} are too few to be sure of any difference: take at least {least}.")

STATISTICS = Case("{arms} {verb} {statistic} by {by}{unit}")
STATISTICS_SUMMED_UP = Case("{count} of {of} arms {verb} {statistic}, most of all {arm}, by {by}{unit}")

TOGETHER = Case("Together, dropout and batch norm give {more} than the sum of what each gives alone, by {size}.")

ADVICE: Mapping[str, Case] = {
    "shown": Case(
        "Use {arm}{rate}: it helps, and is ahead of the plain net on validation rows too.",
        few="Try {arm}{rate}: it is ahead of the plain net on validation and on test rows.",
    ),
    "likely": Case(
        "Try {arm}{rate}: it is ahead of the plain net on validation rows and not behind it on test rows, though not surely "
        "better."
    ),
    "plain": Case(
        "Use the plain net: no arm is ahead of it on validation rows by more than one standard error.",
        few="Stay with the plain net: no arm is ahead of it on validation rows by more than one standard error.",
    ),
    "behind_on_test": Case(
        "Use the plain net: {arms} {are} ahead of it on validation rows by more than one standard error, but behind it on test "
        "rows.",
        few="Stay with the plain net: {arms} {are} ahead of it on validation rows by more than one standard error, but behind "
        "it on test rows.",
    ),
    "behind_on_validation": Case(
        "Stay with the plain net for now: {arms}, though better on test rows, {are} not ahead of it on validation rows, by "
        "which an arm is chosen. More {units} would settle it.",
        few="Stay with the plain net for now: {arms}, though seemingly better on test rows, {are} not ahead of it on "
        "validation rows, by which an arm is chosen. More {units} would settle it.",
    ),
}
"""What to use: by what is shown of the advised arm, or of plain by why no other arm is advised."""
RELY_ON_NONE = Case("No net of this study is to be relied on yet.")
NOT_TO_RELY_ON = Case(
    "That net is not to be relied on yet: on new rows it is not surely better than {constant} either."
)

MODEL: Mapping[str, Case] = {
    "accuracy": Case(
        "The model is the mean of {nets}, and is right on {score} % of the rows, each predicted by the nets that did not "
        "see it (95 % interval {low} to {high}). Of {new_rows} new rows of the same kind, the model will be right on {new_low} "
        "to {new_high} % in 95 of 100 cases."
    ),
    "rmse": Case(
        "The model is the mean of {nets}, and has an RMSE of {score} on rows, each predicted by the nets that did not see it "
        "(95 % interval {low} to {high}). On {new_rows} new rows of the same kind, the model's RMSE will be {new_low} to "
        "{new_high} in 95 of 100 cases."
    ),
}
"""The model's score over all rows of their kind, and on so many new ones, whose own chance is added."""
JUDGED_BY = Case(
    "On the rows that its nets did not see, the model's {metric} is {score} (95 % interval {low} to {high}); that of "
    "{constant} is {of_constant}."
)
UNDEFINED = Case("The rows that the model's nets did not see do not define its {metric}.")

STILL_OVERFITS = Case("The overfitting remains: more rows would lessen it, or try a smaller net or other arms.")
STILL_LEARNING = Case("The plain net was still learning when its epochs ended: allow more (--epochs).")
TOO_SMALL = Case("Try a larger network, such as more or wider hidden layers, or better columns.")
MORE_ROWS = Case("More rows would tell; more seeds narrow the interval only as far as their shared rows allow.")
NEWER_ROWS = Case("Learn from rows that are more like those to come, or leave out columns that change with them.")
