#!/usr/bin/env python3
"""Compares the converted demo model with what transformers makes of the same GGUF: every weight bit for bit, every
token of a corpus, the chat template. Runs in the peers' Python ($TUNESMITH_PEERS_VENV), which prepare_model.py does not need.

transformers 5.23 leaves out the digit step of the GGUF's pre-tokenizer (it cuts " ½" otherwise than llama.cpp and the
original tokenizer.json), so its tokenizer is given ours before the tokens are compared.

usage: check_model.py MODEL_DIR GGUF
"""

import json
import os
import pathlib
import random
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig


def corpus():
    """Texts that take a tokenizer apart: code, white space, digits, scripts, emoji, special tokens, random Unicode."""
    rng = random.Random(1)
    texts = pathlib.Path(__file__).read_text(encoding="utf-8").splitlines()
    texts += ["", " ", "  two  spaces ", "\t\ttabs\n\n\nlines\r\n", "12345 3.14159 1,000,000 x2y2 ½ ٣", "don't I'll we've HE'S",
              "naïve café Ünïcödé ß", "日本語のテキスト 한국어 中文", "مرحبا بالعالم שלום", "👩‍👩‍👧‍👦🏳️‍🌈 e\u0301", "<|im_start|>user\nhi<|im_end|>\n",
              "a<|endoftext|>b <repo_name>", '{"device": "light", "value": 40}']
    for _ in range(300):
        texts.append("".join(chr(rng.choice((rng.randrange(32, 127), rng.randrange(0xA0, 0x2FF), rng.randrange(0x400, 0xD7FF),
                                             rng.randrange(0x1F300, 0x1FAFF)))) for _ in range(rng.randrange(1, 60))))
    return texts


def different_weights(ours, theirs):
    theirs = theirs.state_dict()
    theirs.pop("lm_head.weight")  # tied
    ours = ours.state_dict()
    ours.pop("lm_head.weight")
    if ours.keys() != theirs.keys():
        return sorted(ours.keys() ^ theirs.keys())
    return [name for name in ours if not torch.equal(ours[name].view(torch.int16), theirs[name].view(torch.int16))]


def main():
    folder, source = sys.argv[1], pathlib.Path(sys.argv[2])
    dequantize = GgufConfig(dequantize=True)
    ours = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    theirs = AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, dtype=torch.bfloat16, quantization_config=dequantize)
    weights = different_weights(ours, theirs)

    our_tokenizer = AutoTokenizer.from_pretrained(folder)
    their_tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    their_tokenizer.backend_tokenizer.pre_tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json").pre_tokenizer
    texts = corpus()
    tokens = [t for t in texts if our_tokenizer(t)["input_ids"] != their_tokenizer(t)["input_ids"]]
    round_trips = [t for t in texts if our_tokenizer.decode(our_tokenizer(t)["input_ids"]) != t]
    chat = [{"role": "user", "content": "hi"}]
    template = [g for g in (False, True) if our_tokenizer.apply_chat_template(chat, add_generation_prompt=g, tokenize=False)
                != their_tokenizer.apply_chat_template(chat, add_generation_prompt=g, tokenize=False)]

    question = our_tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}], add_generation_prompt=True, return_tensors="pt")
    ids = question["input_ids"] if "input_ids" in question else question
    answer = our_tokenizer.decode(ours.generate(ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1]:], skip_special_tokens=True)
    print(json.dumps({"different_weights": weights, "texts": len(texts), "different_tokens": tokens,
                      "different_round_trips": round_trips, "different_template": template, "answer": answer,
                      "config": AutoConfig.from_pretrained(folder).to_diff_dict()}, indent=1, ensure_ascii=False))
    sys.exit(bool(weights or tokens or round_trips or template))


if __name__ == "__main__":
    main()
