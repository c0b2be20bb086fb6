from dropnorm.report.encodings import SHOWN, encoding_table
from dropnorm.study.records import ColumnSummary


def table_of(make_run, *summaries):
    data = make_run().summary.data.model_copy(update={"columns_encoded": summaries})
    return encoding_table(data)


def test_each_kind_of_column_is_told_in_words(make_run):
    table = table_of(
        make_run,
        ColumnSummary(names=("age", "income"), count=2, kind="number", features=2),
        ColumnSummary(names=("height",), count=1, kind="number", features=2, has_missing=True),
        ColumnSummary(names=("colour",), count=1, kind="category", features=3, categories=3),
        ColumnSummary(names=("joined",), count=1, kind="date", features=5, cycles=("year", "week")),
        ColumnSummary(names=("x",), count=1, kind="array", features=64, shape=(8, 8)),
        ColumnSummary(names=("id",), count=1, kind="left out", features=0, reason="--ignore names it"),
        ColumnSummary(names=("paid",), count=1, kind="boolean", features=1, reason="yes and no"),
        ColumnSummary(
            names=("cost",), count=1, kind="number", features=1, reason="numbers in $", notice="has 1,234, read as 1234"
        ),
        ColumnSummary(names=("name",), count=1, kind="text", features=0, reason="texts of 5 words on average"),
    )
    assert [column.header for column in table.columns] == ["column", "what it holds", "what it became", "features"]
    assert table.rows == (
        ("age and income", "numbers", "the number itself", "2"),
        ("height", "numbers, some missing", "the number itself, and whether it is missing", "2"),
        ("colour", "3 categories", "a feature for each category", "3"),
        ("joined", "dates", "days since 1970, with sine and cosine of the place in the year and the week", "5"),
        ("x", "arrays of 8 × 8 numbers", "a feature for each number", "64"),
        ("id", "–", "nothing: --ignore names it", "0"),
        ("paid", "yes and no", "1 where true, 0 where false", "1"),
        ("cost", "numbers in $; has 1,234, read as 1234", "the number itself", "1"),
        ("name", "texts", "nothing: texts of 5 words on average", "0"),
    )


def test_of_many_columns_alike_the_first_are_named_and_the_rest_counted(make_run):
    one = ColumnSummary(names=("a", "b", "c"), count=1003, kind="number", features=1003)
    assert table_of(make_run, one).rows[0][0] == "a, b, c and 1,000 more"


def test_of_many_kinds_the_last_are_summed_up(make_run):
    kinds = [
        ColumnSummary(names=(f"c{size}",), count=2, kind="category", features=2 * size, categories=size)
        for size in range(1, SHOWN + 3)
    ]
    rows = table_of(make_run, *kinds).rows
    assert len(rows) == SHOWN + 1
    assert rows[0] == ("c1 and 1 more", "1 category", "a feature for each category", "2")
    assert rows[-1] == ("4 columns more", "of 2 kinds more", "", f"{2 * (SHOWN + 1) + 2 * (SHOWN + 2)}")
    assert sum(int(row[-1]) for row in rows) == sum(one.features for one in kinds)


def test_an_older_run_says_nothing_of_its_columns(make_run):
    assert table_of(make_run).rows == ()
