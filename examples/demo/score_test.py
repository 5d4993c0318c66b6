"""What counts as right, and which example is shown."""

import json

import pytest

import score

LIGHT = '{"device": "light", "action": "on", "room": "attic", "value": null}'


def entry(completion, expected=LIGHT, prompt="Lights on in the attic!"):
    return {"prompt": prompt, "completion": completion, "expected": expected}


@pytest.mark.parametrize(
    "completion",
    [LIGHT, LIGHT.replace(" ", ""), '{"value":null,"room":"attic","action":"on","device":"light"}', f"\n{LIGHT}\n"],
)
def test_right(completion):
    assert score.is_right(entry(completion))


@pytest.mark.parametrize(
    "completion",
    ["", "null", "The attic is dark.", LIGHT + " Done.", f"```json\n{LIGHT}\n```", LIGHT.replace("attic", "office"),
     LIGHT.replace(', "value": null', ""), LIGHT.replace("}", ', "when": null}'), LIGHT[:-1]],
)
def test_wrong(completion):
    assert not score.is_right(entry(completion))


def test_numbers_are_not_texts():
    expected = '{"value": 40}'
    assert score.is_right(entry('{"value":40}', expected))
    assert not score.is_right(entry('{"value": "40"}', expected))
    assert not score.is_right(entry('{"value": true}', '{"value": 1}'))


def test_an_expectation_that_is_no_json_is_never_met():
    assert not score.is_right(entry("hello", expected="hello"))


def test_accuracy():
    assert score.accuracy({0: entry(LIGHT), 1: entry("no"), 2: entry(LIGHT), 3: entry(LIGHT)}) == {
        "total": 4, "correct": 3, "accuracy": 0.75}


def test_example_is_one_that_was_learned():
    before = {0: entry(LIGHT), 1: entry("What?", prompt="second"), 2: entry("Hm.", prompt="third")}
    after = {0: entry(LIGHT), 1: entry("no", prompt="second"), 2: entry(LIGHT, prompt="third")}
    assert score.pick_example(before, after) == {"prompt": "third", "expected": LIGHT, "before": "Hm.", "after": LIGHT}


def test_example_when_nothing_was_learned():
    assert score.pick_example({4: entry("a")}, {4: entry("b")})["after"] == "b"


def test_files_must_answer_the_same_commands():
    with pytest.raises(SystemExit, match="different commands"):
        score.pick_example({0: entry("a")}, {1: entry("a")})


def test_reading(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps({"index": 3, **entry(LIGHT)}) + "\n")
    assert score.read_completions(path) == {3: entry(LIGHT)}
    path.write_text(json.dumps({"index": 3, **entry(LIGHT)}) + "\n{}\n")
    with pytest.raises(SystemExit, match=r"c\.jsonl:2"):
        score.read_completions(path)
    path.write_text("")
    with pytest.raises(SystemExit, match="no completions"):
        score.read_completions(path)
