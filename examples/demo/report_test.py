"""The report's numbers, from a status and a score as the demo has them."""

import json

import pytest

import report

WORKSPACE = {
    "metadata": {"name": "workspace-smollm2"},
    "status": {
        "output": {"image": "registry.tunesmith.internal/demo/smart-home:0.1.0", "digest": "sha256:abc"},
        "tuning": {"evalLossBefore": 2.5, "evalLoss": 0.0123},
        "stages": [
            {"name": "Planning", "startedAt": "2026-11-24T08:59:59.500Z", "finishedAt": "2026-11-24T09:00:01Z"},
            {"name": "Training", "startedAt": "2026-11-24T09:00:03Z", "finishedAt": "2026-11-24T09:04:03.25Z"},
            {"name": "Polishing", "startedAt": "2026-11-24T09:04:04Z", "finishedAt": "2026-11-24T09:04:06Z"},
            {"name": "Pushing", "startedAt": "2026-11-24T09:04:06Z"},
        ],
    },
}


def score(correct):
    return {
        "before": {"total": 100, "correct": 0, "accuracy": 0.0},
        "after": {"total": 100, "correct": correct, "accuracy": correct / 100},
        "example": {"prompt": "Lights on!", "expected": "{}", "before": "Hm.\nYes.", "after": '{"device": "light"}'},
    }


def test_stages_of_the_workspace_that_ended_in_a_readers_words():
    assert report.workspace_stages(WORKSPACE) == [
        ("planning", 1.5), ("training and evaluating", 240.25), ("Polishing", 2.0)]


def test_stages_of_the_script():
    assert report.script_stages("10.5\ta\n12.0\tb\n20.0\t\n") == [("a", 1.5), ("b", 8.0)]


def test_report_says_image_losses_accuracies_example_and_times():
    text = report.report(WORKSPACE, score(97), [("stack", 1.5), ("Workspace", 246.0)])
    for part in ("registry.tunesmith.internal/demo/smart-home:0.1.0@sha256:abc", "2.500 before, 0.012 after",
                 "0 of 100 (0%) held-out commands before, 97 of 100 (97%) after", "Lights on!", "'Hm.\\nYes.'",
                 '{"device": "light"}', "240.2 s  training and evaluating", "247.5 s  in all"):
        assert part in text, part


def test_long_answers_are_cut_to_the_width():
    assert report.one_line("Hm.\nYes.") == r"'Hm.\nYes.'"
    assert report.one_line("x" * 10, 12) == "'" + "x" * 10 + "'"
    assert report.one_line("x" * 11, 12) == "'" + "x" * 10 + "…"


@pytest.mark.parametrize(("correct", "fails"), [(90, False), (89, True)])
def test_fails_below_the_wanted_accuracy(tmp_path, capsys, correct, fails):
    (tmp_path / "w").write_text(json.dumps(WORKSPACE))
    (tmp_path / "s").write_text(json.dumps(score(correct)))
    (tmp_path / "t").write_text("1.0\tWorkspace\n2.0\t\n")
    arguments = ("print", str(tmp_path / "w"), str(tmp_path / "s"), str(tmp_path / "t"))
    if fails:
        with pytest.raises(SystemExit, match="at least 90%"):
            report.main(*arguments)
    else:
        report.main(*arguments)
    assert f"{correct} of 100" in capsys.readouterr().out


def test_layers_in_the_order_of_the_manifest(tmp_path, capsys):
    (tmp_path / "m").write_text(json.dumps({"layers": [{"digest": "sha256:aa"}, {"digest": "sha256:bb"}]}))
    report.main("layers", str(tmp_path / "m"))
    assert capsys.readouterr().out == "aa\nbb\n"
