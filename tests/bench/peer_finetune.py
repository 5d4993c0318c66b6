"""The peer's side of the fine-tuning benchmark: transformers + peft (+ bitsandbytes) on the CPU, as KAITO runs them.

usage: peer_finetune.py MODEL_DIR {qlora-bf16|qlora-fp32} --steps N --warm N --batch N --length N
One JSON line: tokens per second of each measured step, peak memory, versions. One configuration per process, so that the
peak belongs to it. Tokens are random, all of them are targets, nothing is padded: the peer's best case.
"""
import argparse
import json
import os
import resource
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import bitsandbytes
import peft
import torch
import transformers
from transformers import AutoModelForCausalLM, BitsAndBytesConfig


def load(folder, bf16):
    dtype = torch.bfloat16 if bf16 else torch.float32
    quantization = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                                      bnb_4bit_compute_dtype=dtype)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, device_map={"": "cpu"}, attn_implementation="sdpa",
                                                 quantization_config=quantization)
    model.config.use_cache = False
    model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    model = peft.get_peft_model(model, peft.LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear",
                                                       task_type="CAUSAL_LM"))
    return model.train()


def measure(model, options, bf16):
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=2e-4)
    draw = torch.Generator().manual_seed(1)
    seconds = []
    for _ in range(options.warm + options.steps):
        tokens = torch.randint(0, model.config.vocab_size, (options.batch, options.length), generator=draw)
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
    return [options.batch * options.length / s for s in seconds[options.warm:]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("setting", choices=["qlora-bf16", "qlora-fp32"])
    for name in ("steps", "warm", "batch", "length"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    torch.manual_seed(0)
    bf16 = options.setting == "qlora-bf16"
    rates = measure(load(options.model, bf16), options, bf16)
    print(json.dumps({"tokens_per_second": rates, "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                      "versions": {m.__name__: m.__version__ for m in (torch, transformers, peft, bitsandbytes)}}))


if __name__ == "__main__":
    main()
