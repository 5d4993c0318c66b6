"""A tiny random llama with a real tokenizer, as a Hugging Face folder: what the pipeline tests train."""

import json
import pathlib
import shutil

import numpy
from safetensors.numpy import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKENIZER = ROOT / "gpu/text/testdata/tiny"
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
HIDDEN, LAYERS, HEADS, KEY_VALUE_HEADS, HEAD_SIZE, INNER = 64, 2, 4, 2, 16, 128


def write_tiny_model(folder: pathlib.Path) -> None:
    """Weights from a fixed seed: every run of the tests trains the same model."""
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(TOKENIZER / name, folder / name)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    vocabulary = vocabulary_size(folder / "tokenizer.json")
    (folder / "config.json").write_text(json.dumps(config(vocabulary), indent=1))
    random = numpy.random.default_rng(7)

    def matrix(rows: int, columns: int) -> numpy.ndarray:
        return (random.standard_normal((rows, columns)) * 0.05).astype(numpy.float32)

    tensors = {"model.embed_tokens.weight": matrix(vocabulary, HIDDEN), "model.norm.weight": numpy.ones(HIDDEN, numpy.float32)}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{prefix}{norm}.weight"] = numpy.ones(HIDDEN, numpy.float32)
        for name, rows, columns in (
            ("self_attn.q_proj", HEADS * HEAD_SIZE, HIDDEN),
            ("self_attn.k_proj", KEY_VALUE_HEADS * HEAD_SIZE, HIDDEN),
            ("self_attn.v_proj", KEY_VALUE_HEADS * HEAD_SIZE, HIDDEN),
            ("self_attn.o_proj", HIDDEN, HEADS * HEAD_SIZE),
            ("mlp.gate_proj", INNER, HIDDEN),
            ("mlp.up_proj", INNER, HIDDEN),
            ("mlp.down_proj", HIDDEN, INNER),
        ):
            tensors[f"{prefix}{name}.weight"] = matrix(rows, columns)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def vocabulary_size(tokenizer: pathlib.Path) -> int:
    content = json.loads(tokenizer.read_text())
    ids = list(content["model"]["vocab"].values()) + [token["id"] for token in content["added_tokens"]]
    return max(ids) + 1


def config(vocabulary: int) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_VALUE_HEADS,
        "head_dim": HEAD_SIZE,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "vocab_size": vocabulary,
    }
