"""Makes tests/parity/golden from the live peers: `$TUNESMITH_PEERS_VENV/bin/python tests/parity/make_golden.py [FOLDER]`.

Run it again only when a peer's pinned version changes, and read the difference. Everything is drawn from fixed seeds.
"""
import json
import pathlib
import shutil
import sys

import bitsandbytes
import bitsandbytes.functional as bnb
import peft
import torch
import transformers
from safetensors.torch import save_file

import peers

GOLDEN = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "golden")


# --- NF4 ----------------------------------------------------------------------------------------------------------

def nf4_inputs():
    """Named matrices: every corner of the format that we know."""
    draw = torch.Generator().manual_seed(11)
    normal = lambda rows, cols, scale=0.02: torch.randn(rows, cols, generator=draw) * scale
    ramp = torch.linspace(-1, 1, 64 * 30).reshape(30, 64)
    code = bnb.get_4bit_type("nf4", device="cpu")
    halves = (code[:-1] + code[1:]) / 2
    ties = torch.cat([halves, torch.nextafter(halves, torch.tensor(2.0)), torch.nextafter(halves, torch.tensor(-2.0)),
                      code, torch.tensor([1.0, -1.0, 0.0])])
    mixed = normal(40, 64)
    mixed[3] = 0
    mixed[7] *= 1e20
    mixed[9] *= 1e-30
    return {
        "random": normal(48, 128), "wide": normal(160, 576).to(torch.bfloat16).float(), "ramp": ramp,
        "zero": torch.zeros(4, 64), "constant": torch.full((4, 64), -0.3), "huge": normal(4, 64, 1e37),
        "tiny": normal(4, 64, 1e-36), "subnormal": torch.full((2, 64), 1e-40), "mixed": mixed,
        "ties": ties.reshape(1, -1), "ragged": normal(7, 30), "ragged_odd": normal(3, 33), "single": torch.tensor([[0.5]]),
        "ragged_zero": torch.zeros(1, 70), "outlier": torch.cat([normal(1, 64), torch.tensor([[1.0] + [1e-4] * 63])]),
    }


def make_nf4():
    out = {"dynamic_map": bnb.create_dynamic_map(), "codebook": bnb.get_4bit_type("nf4", device="cpu")}
    for name, weight in nf4_inputs().items():
        packed, single = bnb.quantize_4bit(weight, blocksize=64, quant_type="nf4")
        again, double = bnb.quantize_4bit(weight, blocksize=64, quant_type="nf4", compress_statistics=True)
        assert torch.equal(packed, again)
        out |= {f"{name}.weight": weight.to(torch.bfloat16) if name == "wide" else weight,
                f"{name}.packed": packed.flatten(), f"{name}.absmax": single.absmax,
                f"{name}.absmax_codes": double.absmax, f"{name}.nested_absmax": double.state2.absmax,
                f"{name}.nested_offset": double.offset.reshape(1),
                f"{name}.double_fp32": bnb.dequantize_4bit(packed, double)}
        if name == "wide":  # enough to have the scales; the values follow
            del out[f"{name}.double_fp32"]
            continue
        single.dtype = double.dtype = torch.float32
        out[f"{name}.fp32"] = bnb.dequantize_4bit(packed, single)
        double.dtype = torch.bfloat16
        out[f"{name}.double_bf16"] = bnb.dequantize_4bit(packed, double)
    save_file({k: v.clone().contiguous() for k, v in out.items()}, GOLDEN / "nf4.safetensors")


def make_nf4_checkpoint(folder):
    model = peers.load_base(folder, quantized=True)
    model.save_pretrained(GOLDEN / "tiny-nf4")


# --- models, logits, training, text -------------------------------------------------------------------------------

def make_models():
    tokenizer = peers.byte_tokenizer()
    made = {
        "tiny-llama": (peers.tiny_model(1), "100KB"),
        # Tied embeddings, three heads on one, sizes that are no power of two, stretched rotary frequencies.
        "tiny-tied": (peers.tiny_model(2, tie_word_embeddings=True, hidden_size=48, intermediate_size=88,
                                       num_attention_heads=3,
                                       rope_parameters={"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0,
                                                        "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                                        "original_max_position_embeddings": 64}), "5GB"),
    }
    for name, (model, shard) in made.items():
        model.save_pretrained(GOLDEN / name, max_shard_size=shard)
        tokenizer.save_pretrained(GOLDEN / name)
    return tokenizer


def make_logits():
    out = {}
    for name in ("tiny-llama", "tiny-tied", "tiny-nf4"):
        model = peers.load_base(GOLDEN / name, quantized=False)
        draw = torch.Generator().manual_seed(5)
        for length in (1, 7, 300):
            ids = torch.randint(0, 256, (length,), generator=draw)
            values = peers.logits(model, ids.tolist())
            out[f"{name}.ids_{length}"] = ids
            # Of the long prompt only every twelfth position: the files stay small.
            out[f"{name}.logits_{length}"] = values[::12].contiguous() if length == 300 else values
    save_file(out, GOLDEN / "logits.safetensors")


def make_training(tokenizer):
    rows = peers.conversations(20)
    peers.write_jsonl(GOLDEN / "train.jsonl", rows)
    examples = [peers.encode(tokenizer, row) for row in rows]
    folder = GOLDEN / "tiny-llama"
    peers.add_initial_adapter(peers.load_base(folder, quantized=False), peers.HYPER_PARAMETERS, GOLDEN / "initial-adapter")
    losses = {}
    for method in ("lora", "qlora"):
        model = peers.load_with_adapter(folder, GOLDEN / "initial-adapter", method == "qlora", trainable=True)
        losses[method] = peers.train(model, examples, peers.HYPER_PARAMETERS, tokenizer.pad_token_id)
        model.save_pretrained(GOLDEN / f"{method}-adapter")
    tokens = {"tokens": sum(len(ids) for ids, _ in examples),
              "target_tokens": sum(label != -100 for _, labels in examples for label in labels)}
    (GOLDEN / "training.json").write_text(
        json.dumps({"hyper_parameters": peers.HYPER_PARAMETERS, "losses": losses, **tokens}, indent=1) + "\n")


def make_text(tokenizer):
    """Three answers of 64 tokens each without and with the adapter; prompts that end early or are close calls are passed over."""
    cases = []
    for adapter in (None, "lora-adapter"):
        folder = GOLDEN / "tiny-llama"
        model = peers.load_with_adapter(folder, GOLDEN / adapter) if adapter else peers.load_base(folder, False)
        chosen = []
        for row in peers.conversations(40, seed=17):
            messages = row["messages"][:1]
            prompt = tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=True, return_dict=False)
            ids, leads = peers.greedy(model, prompt, 64, {tokenizer.eos_token_id})
            if len(ids) == 64 and min(leads) > 1e-3 and len(chosen) < 3:
                chosen.append({"adapter": adapter, "messages": messages, "prompt_ids": prompt, "ids": ids,
                               "text": tokenizer.decode(ids, skip_special_tokens=True)})
        assert len(chosen) == 3, (adapter, len(chosen))
        cases += chosen
    prompt = cases[-1]["prompt_ids"]
    save_file({"ids": torch.tensor(prompt), "logits": peers.logits(model, prompt)}, GOLDEN / "adapter_logits.safetensors")
    (GOLDEN / "greedy.json").write_text(json.dumps(cases, indent=1) + "\n")


def main():
    torch.set_num_threads(1)
    shutil.rmtree(GOLDEN, ignore_errors=True)
    GOLDEN.mkdir(parents=True)
    make_nf4()
    tokenizer = make_models()
    make_nf4_checkpoint(GOLDEN / "tiny-llama")
    make_logits()
    make_training(tokenizer)
    make_text(tokenizer)
    for readme in GOLDEN.rglob("README.md"):
        readme.unlink()
    for path in GOLDEN.rglob("adapter_config.json"):  # peft writes this machine's paths, and a set in the order of its hashes
        config = json.loads(path.read_text())
        config |= {"base_model_name_or_path": "tiny-llama", "target_modules": sorted(config["target_modules"])}
        path.write_text(json.dumps(config, indent=2) + "\n")
    versions = {m.__name__: m.__version__ for m in (torch, transformers, peft, bitsandbytes)}
    (GOLDEN / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")
    print("golden files:", sum(f.stat().st_size for f in GOLDEN.rglob("*") if f.is_file()), "bytes")


if __name__ == "__main__":
    main()
