import json

from dropnorm.cli.control_characters import visible


def test_controls_are_written_out_and_texts_stay():
    assert visible("größe 5 µm\t→ 日本\n") == "größe 5 µm\t→ 日本\n"
    assert visible("\x1b[31mred\x1b]0;title\x07") == "\\u001b[31mred\\u001b]0;title\\u0007"
    assert visible("a\u202eb\x9b\ud800\r") == "a\\u202eb\\u009b\\ud800\\u000d"


def test_json_stays_the_same_json():
    text = json.dumps({"name": "a\u202e\x9b\x1b[31m"}, ensure_ascii=False)
    assert visible(text) != text
    assert json.loads(visible(text)) == json.loads(text)
