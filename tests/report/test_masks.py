from dropnorm.report.arm_styles import arm_styles
from dropnorm.report.masks import draw_masks
from dropnorm.study.arms import DEFAULT

STYLES = arm_styles(DEFAULT)


def test_a_panel_per_rate_has_a_cell_per_sample_and_unit(make_run):
    panels = draw_masks(make_run().pictures.masks, STYLES)
    figures = [panel.figure for panel in panels]
    assert [list(map(list, figure.data[0].z)) for figure in figures] == [
        [[1, 1, 0, 1], [1, 1, 1, 0]],
        [[1, 1, 0, 0], [0, 1, 1, 0]],
    ]
    assert (panels[0].heading, panels[0].beside) == ("rate 0.25", "25 % of these are dropped")
    assert list(figures[1].data[0].customdata[0]) == ["kept", "kept", "dropped", "dropped"]
    assert figures[0].layout.xaxis.title.text == "unit of hidden layer 2"


def test_no_masks_are_no_panels():
    assert draw_masks((), STYLES) == []
