#!/usr/bin/env python3
"""Writes the data files of data/*_test.cpp with pyarrow, deterministically.

Run: source tools/env.sh && tools/setup.sh peers && $TUNESMITH_PEERS_VENV/bin/python gpu/data/testdata/make_fixtures.py
"""
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
ROWS = 60


def conversation(i):
    if i % 10 == 7:
        return None
    if i % 10 == 8:
        return []
    turns = [{"role": "system", "content": "Be brief."}] if i % 3 == 0 else []
    turns += [{"role": "user", "content": f"Frage {i}: größer? 😀"}, {"role": "assistant", "content": f"Answer {i}"}]
    if i % 10 == 9:
        turns[-1]["content"] = None
    return turns


CONVERSATIONS = [conversation(i) for i in range(ROWS)]
MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
WIDE = pa.struct([("content", pa.large_string()), ("name", pa.string()), ("role", pa.large_string())])


def write(name, table, **options):
    pq.write_table(table, HERE / name, **options)


def messages(list_type):
    return pa.table({"id": pa.array(range(ROWS)), "messages": pa.array(CONVERSATIONS, type=list_type)})


def main():
    plain = messages(pa.list_(MESSAGE))
    for compression in ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]:
        write(f"messages-{compression}.parquet", plain, compression=compression, row_group_size=16)
    write("messages-large.parquet", messages(pa.large_list(WIDE)), compression="zstd")
    write("messages-v1-nodict.parquet", plain, version="1.0", data_page_version="2.0", use_dictionary=False)
    texts = [None if i == 3 else f"text {i} é" for i in range(ROWS)]
    write("text-dictionary.parquet", pa.table({"text": pa.array(texts).dictionary_encode()}))
    pairs = pa.table({"prompt": [f"Q{i}" for i in range(ROWS)], "completion": pa.array([f"A{i}" for i in range(ROWS)], pa.large_string()),
                      "score": pa.array([0.5] * ROWS)})
    write("pairs.parquet", pairs, compression="snappy")
    write("no-usable-column.parquet", pa.table({"image": pa.array([b"x"] * 3), "label": [1, 2, 3], "messages": [1, 2, 3]}))
    write("no-rows.parquet", plain.slice(0, 0))
    write("messages-as-json.parquet", pa.table({"messages": [json.dumps(c) for c in CONVERSATIONS]}))
    many = pa.table({f"column_{i:04d}": [i] for i in range(60)} | {"text": ["x"]})
    write("wide.parquet", many, compression="zstd")
    with open(HERE / "messages.jsonl", "w", encoding="utf-8") as out:
        for c in CONVERSATIONS:
            out.write(json.dumps({"messages": c, "id": 1}, ensure_ascii=False) + "\n")
    (HERE / "messages.json").write_text(json.dumps([{"messages": c} for c in CONVERSATIONS], indent=2) + "\n")


main()
