from dropnorm.report.masks import draw_masks


def test_a_panel_per_rate_has_a_cell_per_sample_and_unit(make_run):
    figures = draw_masks(make_run().pictures.masks)
    assert [list(map(list, figure.data[0].z)) for figure in figures] == [
        [[1, 1, 0, 1], [1, 1, 1, 0]],
        [[1, 1, 0, 0], [0, 1, 1, 0]],
    ]
    assert "rate 0.25" in figures[0].layout.title.text
    assert "25 % of these are dropped" in figures[0].layout.title.text
    assert list(figures[1].data[0].customdata[0]) == ["kept", "kept", "dropped", "dropped"]
    assert figures[0].layout.xaxis.title.text == "unit of hidden layer 2"


def test_no_masks_are_no_panels():
    assert draw_masks(()) == []
