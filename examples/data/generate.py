#!/usr/bin/env python3
"""Writes the demo's conversations: a user tells a smart home what to do, the assistant answers with one line of JSON.

The answer has always the keys device, action, room and value. phrases.yaml holds what people say. A held-out command
uses a phrase AND a combination of device, action, room and value that the training set does not have; each single
word of it does occur there. The same seed gives the same files.

usage: generate.py OUTPUT_DIR [--train N] [--heldout N] [--seed S]      writes train.parquet and heldout.parquet
"""

import argparse
import itertools
import json
import pathlib
import random
import string

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

SYSTEM = "Smart home. Answer with one line of JSON."
HELDOUT_SHARE = 0.2  # of the combinations of an intent
PHRASES = pathlib.Path(__file__).with_name("phrases.yaml")

# As in the public data set philschmid/dolly-15k-oai-style.
SCHEMA = pa.schema([("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))])


def fields(template):
    """The slots of a template, e.g. {"room"}."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def intent_slots(intent, slots):
    return [intent[key] for key in ("room", "value") if intent.get(key) in slots]


def answer(intent, filling):
    """What the assistant says: keys in a fixed order, null for what the command does not name."""
    result = {"device": intent["device"], "action": intent["action"]}
    for key in ("room", "value"):
        result[key] = filling.get(intent.get(key), intent.get(key))
    return json.dumps(result)


def combinations(intent, slots):
    names = intent_slots(intent, slots)
    return [dict(zip(names, values)) for values in itertools.product(*(slots[name] for name in names))]


def split_combinations(intent, slots, rng):
    """(training, held-out) fillings of the intent."""
    fillings = combinations(intent, slots)
    rng.shuffle(fillings)
    cut = max(1, round(len(fillings) * HELDOUT_SHARE)) if intent.get("test") else 0
    return fillings[cut:], fillings[:cut]


def words(reply):
    """The parts of an answer that training must have had: the room, and the value with this device and action."""
    device, action, room, value = json.loads(reply).values()
    return {room, (device, action, value)}


def phrase(template, wraps, filling, rng):
    """One command as somebody would say or type it."""
    text = template.format(**filling)
    if template[0].islower():
        text = rng.choice(wraps).format(text)
    if rng.random() < 0.5:
        text = text[0].upper() + text[1:]
    if text[-1] not in ".!" and rng.random() < 0.3:
        text += "."
    return text


def conversation(command, reply):
    turns = (("system", SYSTEM), ("user", command), ("assistant", reply))
    return [{"role": role, "content": content} for role, content in turns]


def sample(pools, wraps, count, rng):
    """`count` different commands, the intents in turn. pools: [(intent, templates, fillings)]."""
    result, seen, attempts = [], set(), 0
    while len(result) < count:
        if not pools or attempts == count * 50:
            raise SystemExit(f"generate: phrases.yaml gives only {len(result)} different commands, {count} wanted")
        intent, templates, fillings = pools[attempts % len(pools)]
        attempts += 1
        filling = rng.choice(fillings)
        command = phrase(rng.choice(templates), wraps, filling, rng)
        if command not in seen:
            seen.add(command)
            result.append(conversation(command, answer(intent, filling)))
    return result


def generate(phrases, train_count, heldout_count, seed):
    """(training, held-out) conversations, each a list of messages."""
    rng = random.Random(seed)
    slots, wraps = phrases["slots"], phrases["wraps"]
    training, heldout = [], []
    for intent in phrases["intents"]:
        train_fillings, test_fillings = split_combinations(intent, slots, rng)
        training.append((intent, intent["say"], train_fillings))
        heldout.append((intent, intent.get("test"), test_fillings))
    train_rows = sample(training, wraps["say"], train_count, rng)
    rng.shuffle(train_rows)
    known = set().union(*(words(messages[-1]["content"]) for messages in train_rows))
    testable = []
    for intent, templates, fillings in heldout:
        fillings = [filling for filling in fillings if words(answer(intent, filling)) <= known]
        if fillings:
            testable.append((intent, templates, fillings))
    return train_rows, sample(testable, wraps["test"], heldout_count, rng)


def write(path, rows):
    pq.write_table(pa.table({"messages": rows}, schema=SCHEMA), path, compression="zstd")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--train", type=int, default=1600)
    parser.add_argument("--heldout", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    phrases = yaml.safe_load(PHRASES.read_text(encoding="utf-8"))
    train_rows, heldout_rows = generate(phrases, args.train, args.heldout, args.seed)
    args.output.mkdir(parents=True, exist_ok=True)
    write(args.output / "train.parquet", train_rows)
    write(args.output / "heldout.parquet", heldout_rows)


if __name__ == "__main__":
    main()
