#!/usr/bin/env python3
"""The end of the demo: what came out, how much better it is, where the time went.

usage: report.py digest WORKSPACE_JSON                      the digest of the pushed image
       report.py layers MANIFEST_JSON                       file names of an image's layers in skopeo's dir: layout
       report.py print WORKSPACE_JSON SCORE_JSON STAGES     the report; exits with 1 below 90 % exact matches
"""

import datetime
import json
import pathlib
import sys

WANTED_ACCURACY = 0.9

# The stages of a Workspace (docs of status.stages) in a reader's words; one that is not here goes by its own name.
STAGES = {
    "Planning": "planning",
    "CheckingOutput": "checking the right to push",
    "Waiting": "waiting for a worker",
    "Downloading": "fetching model and data",
    "Training": "training and evaluating",
    "Storing": "storing the adapter",
    "Pushing": "packing and pushing the image",
}


def load(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def seconds(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def workspace_stages(workspace):
    """[(what, seconds)] of the stages that ended, in the order of the status."""
    return [
        (STAGES.get(stage["name"], stage["name"]), seconds(stage["finishedAt"]) - seconds(stage["startedAt"]))
        for stage in workspace["status"]["stages"]
        if "finishedAt" in stage
    ]


def script_stages(text):
    """[(name, seconds)] from lines "start<TAB>name"; the last line only ends the one before."""
    rows = [line.split("\t") for line in text.splitlines()]
    return [(name, float(end) - float(start)) for (start, name), (end, _) in zip(rows, rows[1:])]


def image_of(workspace):
    output = workspace["status"]["output"]
    return f"{output['image']}@{output['digest']}"


def accuracy_text(score):
    return f"{score['correct']} of {score['total']} ({score['accuracy']:.0%})"


def one_line(text, width=72):
    """What a model said, line breaks made visible, cut to the width."""
    shown = repr(text)
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def report(workspace, score, stages):
    tuning, example = workspace["status"]["tuning"], score["example"]
    lines = [
        "",
        f"  image       {image_of(workspace)}",
        f"  eval loss   {tuning['evalLossBefore']:.3f} before, {tuning['evalLoss']:.3f} after",
        f"  understood  {accuracy_text(score['before'])} held-out commands before, {accuracy_text(score['after'])} after",
        "",
        f"  user        {example['prompt']}",
        f"  before      {one_line(example['before'])}",
        f"  after       {example['after']}",
        "",
    ]
    for name, duration in stages:
        lines.append(f"  {duration:6.1f} s  {name}")
        if name == "Workspace":
            lines += [f"    {part:8.1f} s  {what}" for what, part in workspace_stages(workspace)]
    lines += [f"  {sum(duration for _, duration in stages):6.1f} s  in all", ""]
    return "\n".join(lines)


def main(command, *paths):
    if command == "digest":
        print(load(paths[0])["status"]["output"]["digest"])
    elif command == "layers":
        print("\n".join(layer["digest"].removeprefix("sha256:") for layer in load(paths[0])["layers"]))
    elif command == "print":
        workspace, score = load(paths[0]), load(paths[1])
        print(report(workspace, score, script_stages(pathlib.Path(paths[2]).read_text(encoding="utf-8"))))
        if score["after"]["accuracy"] < WANTED_ACCURACY:
            sys.exit(f"demo: expected at least {WANTED_ACCURACY:.0%} of the held-out commands right")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
