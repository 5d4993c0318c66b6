#!/usr/bin/env python3
"""How many held-out commands a model understood, from what `tunesmith-engine generate` wrote.

Input: JSON lines {"index", "prompt", "completion", "expected"}. A completion is right when it parses as JSON and equals the
expected JSON; white space and the order of keys do not matter, anything beside the JSON does.

usage: score.py COMPLETIONS                 prints {"total", "correct", "accuracy"}
       score.py BEFORE AFTER                prints the same for both, and one example: wrong before, right after
"""

import argparse
import json
import pathlib


def read_completions(path):
    """index -> line; a line that is not one of ours stops with its number."""
    result = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
            result[entry["index"]] = {key: entry[key] for key in ("prompt", "completion", "expected")}
        except (ValueError, KeyError, TypeError) as error:
            raise SystemExit(f"score: {path}:{number}: not a completion: {error!r}") from error
    if not result:
        raise SystemExit(f"score: {path}: no completions")
    return result


def parse(text):
    """The JSON value of a text, as its canonical form, or None. 1, 1.0 and true are three different values."""
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return None


def is_right(entry):
    found = parse(entry["completion"])
    return found is not None and found == parse(entry["expected"])


def accuracy(completions):
    correct = sum(map(is_right, completions.values()))
    return {"total": len(completions), "correct": correct, "accuracy": correct / len(completions)}


def pick_example(before, after):
    """The first command that went from wrong to right; else the first one."""
    if before.keys() != after.keys():
        raise SystemExit("score: the two files answer different commands")
    learned = [i for i in sorted(after) if is_right(after[i]) and not is_right(before[i])]
    index = learned[0] if learned else min(after)
    return {
        "prompt": after[index]["prompt"],
        "expected": after[index]["expected"],
        "before": before[index]["completion"],
        "after": after[index]["completion"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("completions", type=pathlib.Path)
    parser.add_argument("after", type=pathlib.Path, nargs="?")
    args = parser.parse_args()
    first = read_completions(args.completions)
    result = accuracy(first)
    if args.after:
        second = read_completions(args.after)
        result = {"before": result, "after": accuracy(second), "example": pick_example(first, second)}
    print(json.dumps(result, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
