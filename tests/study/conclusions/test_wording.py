import pytest

from dropnorm.study.conclusions.wording import Words, as_sentence, counted, joined, noun, verb_of
from dropnorm.study.records import Interval
from dropnorm.study.task import TASKS

UP, DOWN = Interval(mean=0.008, low=0.003, high=0.013), Interval(mean=-0.02, low=-0.03, high=-0.01)


@pytest.fixture
def words():
    task = TASKS["classification"]
    return Words(task, task.metric.scale(0.9))


def test_differences_have_their_interval(words):
    assert words.difference(UP) == "0.8 points (95 % interval 0.3 to 1.3)"
    assert words.size(DOWN) == "2.0 points (95 % interval 1.0 to 3.0)", "the verb beside it has the sign"
    assert (verb_of(UP), verb_of(DOWN)) == ("raises", "lowers")


def test_spans_are_from_the_lowest_to_the_highest(words):
    across, none = Interval(mean=0.0, low=-0.004, high=0.013), Interval(mean=0.0, low=-0.0001, high=0.0001)
    assert words.spans([across]) == "95 % interval from −0.4 to +1.3 points"
    assert words.spans([across, none]) == "95 % intervals from −0.4 to +1.3 points"
    assert words.spans([none]) == "no difference in any seed"


def test_an_interval_without_zero_is_said_to_stand_alone(words):
    assert words.spans([UP]) == "95 % interval, taken alone, from +0.3 to +1.3 points"
    assert words.spans([UP, DOWN]) == "95 % intervals, each taken alone, from −3.0 to +1.3 points"


def test_parts_become_sentences():
    assert as_sentence("a; b") == "A; b."
    assert [counted(number, "seeds") for number in (1, 2, 1797)] == ["1 seed", "2 seeds", "1,797 seeds"]
    assert [noun(1, things) for things in ("classes", "rows", "texts")] == ["class", "row", "text"]
    assert [noun(number, "classes") for number in (0, 2)] == ["classes", "classes"]
    assert [joined(list("abc")[:count]) for count in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
