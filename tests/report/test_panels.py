import plotly.graph_objects as go

from dropnorm.report.panels import Panel


def test_a_panel_of_an_arm_is_headed_by_its_name():
    figure = go.Figure()
    panel = Panel.of_arm(figure, "dropout", "error 1.0 pp")
    assert (panel.figure, panel.heading, panel.beside) == (figure, "dropout", "error 1.0 pp")
    assert Panel(figure).heading == ""
