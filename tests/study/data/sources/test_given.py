from dropnorm.study.data.sources.given import Reading


def test_nothing_given_is_found_out():
    reading = Reading()
    assert (reading.header, reading.encoding, reading.separator, reading.sheet) == ("auto", None, None, None)
    assert reading.labelled
