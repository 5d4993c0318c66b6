"""Our engine and the peer in alternating rounds on the same machine, model and sizes; medians over all measured steps.

usage: bench.py BIN_DIR MODEL_DIR PEER_PYTHON [--rounds N] [--steps N] [--settings qlora-bf16,qlora-fp32] [--write FILE]
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
BATCH, LENGTH, WARM = 4, 512, 1

HYPER_PARAMETERS = {
    "lora_rank": 16, "lora_alpha": 32.0, "lora_dropout": 0.0, "use_rslora": False, "target_modules": [],
    "double_quantization": True, "num_train_epochs": 1.0, "max_steps": 0, "per_device_train_batch_size": BATCH,
    "gradient_accumulation_steps": 1, "learning_rate": 2e-4, "lr_scheduler_type": "constant", "warmup_steps": 0,
    "warmup_ratio": 0.0, "weight_decay": 0.01, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8,
    "max_grad_norm": 0.0, "seed": 1, "gradient_checkpointing": False, "logging_steps": 1, "eval_steps": 0,
    "per_device_eval_batch_size": 1, "shuffle_dataset": False, "train_test_split": 1.0, "max_seq_length": LENGTH,
    "packing": False, "assistant_only_loss": False,
}


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*: (.*)", info)
    flags = set(re.search(r"flags\s*: (.*)", info).group(1).split())
    wanted = [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags]
    return f"{name.group(1) if name else platform.machine()}, {len(os.sched_getaffinity(0))} CPUs, {' '.join(wanted) or 'no AVX2'}"


def write_text(path, steps):
    """Examples longer than LENGTH tokens, cut there, all tokens targets: full batches without padding, as the peer has them."""
    draw = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    word = lambda: "".join(draw.choice(letters) for _ in range(draw.randint(2, 9)))
    with open(path, "w", encoding="utf-8") as out:
        for _ in range(steps * BATCH):
            out.write(json.dumps({"text": " ".join(word() for _ in range(LENGTH))}) + "\n")


def run_engine(bin_dir, model, setting, steps):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        write_text(work / "text.jsonl", WARM + steps)
        job = {"model_dir": str(model), "model_name": "bench", "data": [str(work / "text.jsonl")],
               "work_dir": str(work / "work"), "checkpoint_interval_seconds": 0, "method": "qlora", "device": "cpu",
               "compute": setting.removeprefix("qlora-"), "threads": 0, "hyper_parameters": HYPER_PARAMETERS}
        (work / "job.json").write_text(json.dumps(job))
        done = subprocess.run([bin_dir / "tunesmith-engine", "train", work / "job.json"], capture_output=True, text=True)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode != 0:
            sys.exit(f"the engine failed: {events[-1:]} {done.stderr[-1000:]}")
    started = next(e for e in events if e["event"] == "started")
    expected = (WARM + steps) * BATCH * LENGTH
    if started["train_tokens"] != expected:
        sys.exit(f"the engine trains on {started['train_tokens']} tokens, the peer on {expected}: not the same work")
    rates = [e["tokens_per_second"] for e in events if e["event"] == "progress"]
    return {"tokens_per_second": rates[WARM:], "peak_bytes": events[-1]["peak_memory_bytes"]}


def run_peer(python, model, setting, steps):
    done = subprocess.run([python, "-W", "ignore", HERE / "peer_finetune.py", model, setting, "--steps", str(steps), "--warm",
                           str(WARM), "--batch", str(BATCH), "--length", str(LENGTH)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the peer failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(options, setting):
    ours, theirs = [], []
    for round_number in range(options.rounds):
        for side, runs in ((run_engine, ours), (run_peer, theirs)):
            where = options.bin_dir if side is run_engine else options.peer_python
            runs.append(side(where, options.model, setting, options.steps))
            print(f"  {setting} round {round_number + 1}: {'engine' if runs is ours else 'peer'} "
                  f"{statistics.median(runs[-1]['tokens_per_second']):.0f} tok/s", file=sys.stderr, flush=True)
    rate = lambda runs: [r for run in runs for r in run["tokens_per_second"]]
    peak = lambda runs: max(run["peak_bytes"] for run in runs) / 2**30
    return {"setting": setting, "ours": rate(ours), "theirs": rate(theirs), "our_peak": peak(ours),
            "their_peak": peak(theirs), "versions": theirs[0]["versions"]}


def table(results, options):
    show = lambda rates: f"{statistics.median(rates):.0f} ({min(rates):.0f}-{max(rates):.0f})"
    versions = " ".join(f"{name} {version}" for name, version in results[0]["versions"].items())
    lines = [
        f"{datetime.date.today()}, {machine()}, load {os.getloadavg()[0]:.1f} at the end. Peer: {versions}.",
        f"SmolLM2-135M-Instruct, batch {BATCH} x {LENGTH} tokens, rank 16 on all linear layers, AdamW; "
        f"{options.rounds} alternating rounds of {options.steps} steps after {WARM} warm-up; median (worst-best).", "",
        "| setting | engine tok/s | peer tok/s | ratio | engine peak GiB | peer peak GiB |", "|---|---|---|---|---|---|"]
    for r in results:
        ratio = statistics.median(r["ours"]) / statistics.median(r["theirs"])
        lines.append(f"| {r['setting']} | {show(r['ours'])} | {show(r['theirs'])} | {ratio:.2f} | {r['our_peak']:.1f} | "
                     f"{r['their_peak']:.1f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin_dir", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("peer_python")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--settings", default="qlora-bf16,qlora-fp32")
    parser.add_argument("--write", type=pathlib.Path, help="Markdown file to write the table to")
    options = parser.parse_args()
    text = table([compare(options, setting) for setting in options.settings.split(",")], options)
    print(text)
    if options.write:
        options.write.parent.mkdir(parents=True, exist_ok=True)
        options.write.write_text("# Fine-tuning on the CPU: the engine and its peer\n\nMade by `tests/bench/run.sh BUILD --write`.\n\n" + text)


if __name__ == "__main__":
    main()
