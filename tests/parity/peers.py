"""What the golden files and the live parity run share: tiny models, data, and the peers' own way of doing each job.

The peers are transformers, peft and bitsandbytes at the versions in tools/requirements-peers.txt, in fp32 on the CPU.
"""
import json
import os
import pathlib
import random

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import peft
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM,
                          PreTrainedTokenizerFast, get_scheduler)

# A turn ends with its end token and nothing after it, so that every chat library agrees on what is trained.
CHAT_TEMPLATE = ("{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>"
                 "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
SPECIAL_TOKENS = ["<|im_start|>", "<|im_end|>", "<|pad|>"]

# Ten optimizer steps over twenty examples, four a step, in the order of the file.
HYPER_PARAMETERS = {
    "lora_rank": 4, "lora_alpha": 8.0, "lora_dropout": 0.0, "use_rslora": False, "target_modules": [],
    "double_quantization": True, "num_train_epochs": 2.0, "max_steps": 0, "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2, "learning_rate": 5e-3, "lr_scheduler_type": "linear", "warmup_steps": 2,
    "warmup_ratio": 0.0, "weight_decay": 0.01, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8,
    "max_grad_norm": 1.0, "seed": 7, "gradient_checkpointing": False, "logging_steps": 1, "eval_steps": 0,
    "per_device_eval_batch_size": 2, "shuffle_dataset": False, "train_test_split": 1.0, "max_seq_length": 128,
    "packing": False, "assistant_only_loss": True,
}


def byte_tokenizer():
    """One token per byte, and the three special ones: small, and real all the same."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: i for i, symbol in enumerate(alphabet + SPECIAL_TOKENS)}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(SPECIAL_TOKENS)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|pad|>")
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def tiny_model(seed, **overrides):
    """A random llama with decisive logits.

    Its linear layers have a multiple of 64 columns: for others bitsandbytes 0.50.2 dequantises wrongly on CPUs with AVX-512
    (rows of 48, say, where blocks of 64 span rows).
    """
    torch.manual_seed(seed)
    config = LlamaConfig(**{**dict(
        vocab_size=262, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=1, max_position_embeddings=512, rms_norm_eps=1e-5, initializer_range=0.15,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, bos_token_id=None, eos_token_id=257,
        pad_token_id=258), **overrides})
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
    return model.eval()


def conversations(count, seed=3):
    """Short orders and replies; some with two turns, some with a system message."""
    draw = random.Random(seed)
    rooms, things, verbs = ["kitchen", "hall", "attic"], ["light", "fan", "blind"], ["on", "off", "up"]
    rows = []
    for i in range(count):
        messages = [{"role": "system", "content": "Answer in one word."}] if i % 5 == 4 else []
        for _ in range(2 if i % 4 == 3 else 1):
            room, thing, verb = draw.choice(rooms), draw.choice(things), draw.choice(verbs)
            messages += [{"role": "user", "content": f"{thing} {verb} in {room}"},
                         {"role": "assistant", "content": f"{room}:{thing}={verb}"}]
        rows.append({"messages": messages})
    return rows


def encode(tokenizer, row, end="<|im_end|>"):
    """Token ids and labels: targets are what the assistant says and the end token of its turn, nothing else."""
    messages = row["messages"]
    render = lambda count, prompt: tokenizer.apply_chat_template(messages[:count], tokenize=False, add_generation_prompt=prompt)
    text = render(len(messages), False)
    spans = []
    for i, message in enumerate(messages):
        if message["role"] == "assistant":
            start = len(render(i, True))
            spans.append((start, text.index(end, start) + len(end)))
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    inside = [any(a <= first < b for a, b in spans) for first, _ in encoded["offset_mapping"]]
    ids = encoded["input_ids"]
    return ids, [token if target else -100 for token, target in zip(ids, inside)]


def add_initial_adapter(base, hyper, folder, seed=13):
    """peft's own adapter with a B that is not zero, so that A learns from the first step on."""
    torch.manual_seed(seed)
    model = peft.get_peft_model(base, peft.LoraConfig(
        r=hyper["lora_rank"], lora_alpha=int(hyper["lora_alpha"]), target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    model.save_pretrained(folder)


def load_base(folder, quantized):
    options = {}
    if quantized:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map={"": "cpu"}, **options)


def load_with_adapter(folder, adapter, quantized=False, trainable=False):
    return peft.PeftModel.from_pretrained(load_base(folder, quantized), adapter, is_trainable=trainable)


def batches(examples, size, pad):
    for first in range(0, len(examples), size):
        part = examples[first:first + size]
        longest = max(len(ids) for ids, _ in part)
        filled = lambda k, value: torch.tensor([e[k] + [value] * (longest - len(e[k])) for e in part])
        lengths = torch.tensor([len(ids) for ids, _ in part])
        yield {"input_ids": filled(0, pad), "labels": filled(1, -100),
               "attention_mask": (torch.arange(longest)[None] < lengths[:, None]).long()}


def train(model, examples, hyper, pad):
    """The loop of transformers.Trainer by hand: the loss is normalised over all targets of a step. Returns the losses."""
    micro = list(batches(examples, hyper["per_device_train_batch_size"], pad))
    per_step = hyper["gradient_accumulation_steps"]
    steps = [micro[i:i + per_step] for i in range(0, len(micro), per_step)] * int(hyper["num_train_epochs"])
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=hyper["learning_rate"], eps=hyper["adam_epsilon"],
                                  betas=(hyper["adam_beta1"], hyper["adam_beta2"]), weight_decay=hyper["weight_decay"])
    schedule = get_scheduler(hyper["lr_scheduler_type"], optimizer, hyper["warmup_steps"], len(steps))
    model.train()
    losses = []
    for step in steps:
        targets = sum((batch["labels"][:, 1:] != -100).sum() for batch in step)
        total = 0.0
        for batch in step:
            loss = model(**batch, num_items_in_batch=targets).loss
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(parameters, hyper["max_grad_norm"])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(total)
    return losses


@torch.no_grad()
def logits(model, ids):
    # In train mode, because in eval mode bitsandbytes takes a path that wants a kernel from the network. Nothing here drops out.
    return model.train()(input_ids=torch.tensor([ids])).logits[0].float().contiguous()


@torch.no_grad()
def greedy(model, prompt, count, ends):
    """The most likely token each time, with its lead over the second; stops after an end token."""
    model.train()  # as in logits()
    ids, leads, cache, feed = [], [], None, prompt
    for _ in range(count):
        out = model(input_ids=torch.tensor([feed]), past_key_values=cache, use_cache=True)
        cache, top = out.past_key_values, out.logits[0, -1].float().topk(2)
        ids.append(int(top.indices[0]))
        leads.append(float(top.values[0] - top.values[1]))
        if ids[-1] in ends:
            break
        feed = ids[-1:]
    return ids, leads


def write_jsonl(path, rows):
    pathlib.Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
