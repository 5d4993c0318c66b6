"""The promises of the demo data: reproducible, one fixed schema, and held-out commands that training did not have."""

import json
import pathlib
import re

import pyarrow.parquet as pq
import pytest
import yaml

import generate

PHRASES = yaml.safe_load(generate.PHRASES.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rows():
    return generate.generate(PHRASES, 1600, 100, 7)


def replies(conversations):
    return [json.loads(messages[-1]["content"]) for messages in conversations]


def commands(conversations):
    return [messages[1]["content"] for messages in conversations]


def combination(reply):
    return tuple(reply.values())


def test_counts_and_roles(rows):
    training, heldout = rows
    assert (len(training), len(heldout)) == (1600, 100)
    for messages in training + heldout:
        assert [m["role"] for m in messages] == ["system", "user", "assistant"]
        assert messages[0]["content"] == generate.SYSTEM


def test_every_answer_is_one_line_of_the_schema(rows):
    for messages in rows[0] + rows[1]:
        text = messages[-1]["content"]
        assert "\n" not in text
        assert list(json.loads(text)) == ["device", "action", "room", "value"]


def test_every_intent_is_trained_and_every_one_that_can_be_is_tested(rows):
    for intent in PHRASES["intents"]:
        key = (intent["device"], intent["action"])
        assert key in {(r["device"], r["action"]) for r in replies(rows[0])}
        if "test" in intent:
            assert key in {(r["device"], r["action"]) for r in replies(rows[1])}


def test_no_command_twice(rows):
    everything = commands(rows[0]) + commands(rows[1])
    assert len(set(everything)) == len(everything)


def test_heldout_combinations_are_new_but_their_words_are_not(rows):
    training = replies(rows[0])
    seen = {combination(r) for r in training}
    for reply in replies(rows[1]):
        assert combination(reply) not in seen
        same_intent = [r for r in training if (r["device"], r["action"]) == (reply["device"], reply["action"])]
        if reply["value"] is not None:
            assert reply["value"] in {r["value"] for r in same_intent}
        assert reply["room"] in {r["room"] for r in training}


def skeleton(template):
    """A phrase without its slots, case and punctuation, as a pattern that finds it inside a command."""
    return re.compile(".+".join(re.escape(part) for part in re.split(r"\{\w+\}", template.lower().strip(".!"))))


def test_heldout_phrases_are_new(rows):
    for intent in PHRASES["intents"]:
        patterns = [skeleton(t) for t in intent.get("test", [])]
        same_intent = [
            m[1]["content"].lower()
            for m in rows[0]
            if (json.loads(m[2]["content"])["device"], json.loads(m[2]["content"])["action"])
            == (intent["device"], intent["action"])
        ]
        for pattern in patterns:
            assert not [c for c in same_intent if pattern.fullmatch(c.rstrip(".!"))], pattern.pattern


def phrase_words(templates):
    return {word for template in templates for word in re.findall(r"[a-z']+", re.sub(r"\{\w*\}", " ", template.lower()))}


def test_words_of_heldout_phrases_are_trained(rows):
    trained = phrase_words(commands(rows[0]))
    asked = [template for intent in PHRASES["intents"] for template in intent.get("test", [])]
    assert phrase_words(asked + PHRASES["wraps"]["test"]) - trained == set()


def test_the_answer_follows_from_the_words():
    """Each phrase holds all slots of its intent and no other, and no phrase means two things."""
    meanings = {}
    for intent in PHRASES["intents"]:
        for template in intent["say"] + intent.get("test", []):
            assert generate.fields(template) == set(generate.intent_slots(intent, PHRASES["slots"])), template
            meaning = (intent["device"], intent["action"], intent.get("room"), intent.get("value"))
            assert meanings.setdefault(template.lower(), meaning) == meaning, template


def test_same_seed_same_rows_other_seed_other_rows(rows):
    assert generate.generate(PHRASES, 1600, 100, 7) == rows
    assert generate.generate(PHRASES, 1600, 100, 8) != rows


def test_parquet_has_the_public_data_sets_layout(tmp_path, rows):
    generate.write(tmp_path / "train.parquet", rows[0])
    table = pq.read_table(tmp_path / "train.parquet")
    assert str(table.schema.field("messages").type) == "list<element: struct<role: string, content: string>>"
    assert table.column("messages").to_pylist() == rows[0]


def test_too_many_commands_are_refused():
    phrases = {
        "slots": {"room": ["attic", "office", "hall"]},
        "wraps": {"say": ["{}"], "test": ["{}"]},
        "intents": [{"device": "lock", "action": "lock", "room": "room", "say": ["lock the {room}"], "test": ["bolt the {room}"]}],
    }
    assert len(generate.generate(phrases, 2, 0, 7)[0]) == 2
    with pytest.raises(SystemExit, match="different commands, 50 wanted"):
        generate.generate(phrases, 50, 1, 7)


def test_manifest_names_the_file_that_is_written():
    manifest = (pathlib.Path(generate.__file__).parent.parent / "workspace-smollm2.yaml").read_text(encoding="utf-8")
    workspace, config_map = yaml.safe_load_all(manifest)
    assert workspace["tuning"]["input"]["urls"] == ["http://data.tunesmith.internal/smart-home/train.parquet"]
    assert workspace["tuning"]["config"] == config_map["metadata"]["name"]
    assert set(yaml.safe_load(config_map["data"]["training_config.yaml"])) == {"training_config"}
