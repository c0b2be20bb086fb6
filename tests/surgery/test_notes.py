from dropnorm.surgery.notes import Note, as_text, counted, folded_summary, grouped


def test_counts():
    assert counted(0, "layer", "removed") == ""
    assert counted(1, "bias", "moved", "biases") == "1 bias moved"
    assert counted(2, "bias", "moved", "biases") == "2 biases moved"


def test_what_was_folded():
    done = [Note("a", "batch norm is in b"), Note("c", "dropout is gone"), Note("d", "dropout is gone")]
    assert folded_summary(done) == "1 batch norm folded, 2 dropouts gone"
    assert folded_summary([]) == "nothing to fold"


def test_a_model_as_text():
    notes = [Note("a", "stays."), Note("b", "stays."), Note("", "is small.")]
    text = as_text(3, "nothing to fold", "  3", grouped(notes))
    assert text.splitlines() == ["int: nothing to fold", "  3", "  a, b: stays.", "  the model: is small."]
