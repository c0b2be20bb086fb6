import pytest

from dropnorm.errors import DataError
from dropnorm.study.data.sources.arff import read_arff

TEXT = """% a comment
@relation weather
@attribute outlook {sunny, rainy}
@attribute temperature numeric
@attribute day date "yyyy-MM-dd"
@attribute play {yes, no}
@data
sunny, 85, "2024-05-31", no
?, ?, "2024-06-01", yes
"""


def test_nominal_values_are_texts_and_question_marks_are_missing(write):
    frame = read_arff(write(TEXT, "data.arff")).frame
    assert frame.columns == ["outlook", "temperature", "day", "play"]
    assert frame["outlook"].to_list() == ["sunny", None]
    assert frame["temperature"].to_list() == [85.0, None]
    assert str(frame["day"][0])[:10] == "2024-05-31"


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", TEXT.replace("numeric", "string"), TEXT + "sunny, 1\n", TEXT.replace("@data", "")]
)
def test_what_is_not_read(text, write):
    with pytest.raises(DataError, match="is not a readable ARFF file"):
        read_arff(write(text, "data.arff"))


def test_a_row_of_too_few_values_is_numbered(write):
    path = write(TEXT + "sunny, 85\n", "data.arff")
    with pytest.raises(DataError, match="line 10: is not a readable ARFF file"):
        read_arff(path)
