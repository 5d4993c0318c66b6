"""The engine and the live peers on SmolLM2-135M-Instruct: logits, ten training steps, an adapter of ours in peft, text.

usage: live.py ENGINE MODEL_DIR. Prints one table; exit code 1 when a row is over its limit.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

import peers

HYPER = {**peers.HYPER_PARAMETERS, "lora_rank": 8, "lora_alpha": 16.0, "learning_rate": 5e-4, "num_train_epochs": 5.0,
         "max_seq_length": 256}
EXAMPLES = 8  # two steps per pass, ten in all
GREEDY_TOKENS = 64
CLOSE_CALL = 1e-3  # texts may part where the two likeliest tokens are nearer than this


def relative_error(a, b):
    return float((a.double() - b.double()).abs().max() / b.double().abs().max())


class Table:
    def __init__(self):
        self.rows = []

    def add(self, check, error, limit):
        self.rows.append((check, error, limit))
        print(f"  {check}: {error:.2e} (limit {limit:.0e})", flush=True)

    def show(self):
        print("\n| check | error | limit | |\n|---|---|---|---|")
        for check, error, limit in self.rows:
            print(f"| {check} | {error:.2e} | {limit:.0e} | {'ok' if error <= limit else 'FAIL'} |")
        return all(error <= limit for _, error, limit in self.rows)


class Engine:
    def __init__(self, program, model, work):
        self.program, self.model, self.work = program, str(model), work

    def run(self, *arguments):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"tunesmith-engine {arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def logits(self, prompts, adapter=None):
        tokens, out = self.work / "tokens.json", self.work / "logits.safetensors"
        tokens.write_text(json.dumps(prompts))
        extra = ["--adapter", adapter] if adapter else []
        self.run("logits", "--model", self.model, "--compute", "fp32", "--tokens", tokens, "--output", out, *extra)
        tensors = load_file(out)
        return [tensors[f"logits.{i}"] for i in range(len(prompts))]

    def train(self, method, data, initial):
        work = self.work / method
        job = {"model_dir": self.model, "model_name": "HuggingFaceTB/SmolLM2-135M-Instruct", "data": [str(data)],
               "work_dir": str(work), "initial_adapter": str(initial), "checkpoint_interval_seconds": 0, "method": method,
               "device": "cpu", "compute": "fp32", "threads": 0, "hyper_parameters": HYPER}
        path = self.work / f"{method}.json"
        path.write_text(json.dumps(job))
        events = [json.loads(line) for line in self.run("train", path).splitlines()]
        return [e["loss"] for e in events if e["event"] == "progress"], work / "adapter"

    def generate(self, data, adapter=None):
        extra = ["--adapter", adapter] if adapter else []
        out = self.run("generate", "--model", self.model, "--compute", "fp32", "--data", data, "--max-new-tokens",
                       GREEDY_TOKENS, *extra)
        answers = [json.loads(line) for line in out.splitlines()]
        return {answer["index"]: answer["completion"] for answer in answers}


def adapter_error(ours, theirs):
    a, b = load_file(ours / "adapter_model.safetensors"), load_file(theirs / "adapter_model.safetensors")
    assert a.keys() == b.keys(), "the adapters have other tensors"
    join = lambda t, kind: torch.cat([t[key].flatten() for key in sorted(t) if kind in key])
    return max(relative_error(join(a, kind), join(b, kind)) for kind in ("lora_A", "lora_B"))


def check_training(table, engine, method, tokenizer, rows, data, initial, work):
    model = peers.load_with_adapter(engine.model, initial, method == "qlora", trainable=True)
    expected = peers.train(model, [peers.encode(tokenizer, row) for row in rows], HYPER, tokenizer.pad_token_id)
    model.save_pretrained(work / f"{method}-peer")
    losses, adapter = engine.train(method, data, initial)
    assert len(losses) == len(expected), (losses, expected)
    table.add(f"{method}: {len(losses)} losses against peft", max(abs(a - b) / b for a, b in zip(losses, expected)), 1e-3)
    table.add(f"{method}: trained adapter against peft's", adapter_error(adapter, work / f"{method}-peer"), 1e-2)
    return adapter


def text_difference(model, tokenizer, row, answer):
    """0 when the text is the peer's; else the lead of the peer's token over ours where they part."""
    prompt = tokenizer.apply_chat_template(row["messages"][:-1], tokenize=True, add_generation_prompt=True, return_dict=False)
    ids, _ = peers.greedy(model, prompt, GREEDY_TOKENS, {tokenizer.eos_token_id})
    if tokenizer.decode(ids, skip_special_tokens=True).strip() == answer.strip():
        return 0.0
    ours = tokenizer.encode(answer, add_special_tokens=False) + [tokenizer.eos_token_id]
    at = next((i for i, (a, b) in enumerate(zip(ours, ids)) if a != b), min(len(ours), len(ids)) - 1)
    last = peers.logits(model, prompt + ids[:at])[-1]
    return float(last[ids[at]] - last[ours[at]])


def check_text(table, engine, tokenizer, rows, data, adapter, name):
    model = (peers.load_with_adapter(engine.model, adapter) if adapter else peers.load_base(engine.model, False))
    answers = engine.generate(data, adapter)
    table.add(f"{name}: greedy text, {len(rows)} answers of up to {GREEDY_TOKENS} tokens (lead where they part)",
              max(text_difference(model, tokenizer, row, answers[i]) for i, row in enumerate(rows)), CLOSE_CALL)
    draw = torch.Generator().manual_seed(5)
    prompts = [torch.randint(0, 49000, (length,), generator=draw).tolist() for length in (1, 7, 300)]
    for prompt, ours in zip(prompts, engine.logits(prompts, adapter)):
        table.add(f"{name}: logits after {len(prompt)} tokens", relative_error(ours, peers.logits(model, prompt)), 1e-4)


def main():
    program, model_dir = sys.argv[1:3]
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        engine = Engine(program, model_dir, work)
        rows = [{"messages": row["messages"][-2:]} for row in peers.conversations(EXAMPLES)]
        data = work / "train.jsonl"
        peers.write_jsonl(data, rows)
        peers.add_initial_adapter(peers.load_base(model_dir, False), HYPER, work / "initial")
        check_text(table, engine, tokenizer, rows[:3], peers.write_jsonl(work / "ask.jsonl", rows[:3]), None, "base")
        adapter = None
        for method in ("qlora", "lora"):
            adapter = check_training(table, engine, method, tokenizer, rows, data, work / "initial", work)
        check_text(table, engine, tokenizer, rows[:3], work / "ask.jsonl", adapter, "our adapter in peft")
    sys.exit(0 if table.show() else 1)


if __name__ == "__main__":
    main()
