"""The arithmetic of the conversion; check_model.py compares the whole result with transformers."""

import numpy as np
import pytest

import prepare_model


@pytest.mark.parametrize(
    ("value", "bits"),
    [(1.0, 0x3F80), (-2.0, 0xC000), (0.0, 0x0000),
     (1.00390625, 0x3F80),  # exactly half way: to the even one, down
     (1.01171875, 0x3F82),  # half way: to the even one, up
     (1.0040, 0x3F81), (3.4e38, 0x7F80)],  # above half; past the largest bfloat16: infinity
)
def test_rounds_to_nearest_even(value, bits):
    assert prepare_model.to_bfloat16(np.array([value]))[0] == bits


def test_undoes_llama_cpps_permutation():
    heads, head_size, columns = 2, 4, 3
    original = np.arange(heads * head_size * columns, dtype=np.float32).reshape(heads * head_size, columns)
    # convert_hf_to_gguf.py's LlamaModel.permute
    permuted = original.reshape(heads, 2, head_size // 2, columns).swapaxes(1, 2).reshape(original.shape)
    assert not np.array_equal(permuted, original)
    assert np.array_equal(prepare_model.undo_rope_permutation(permuted, heads), original)


@pytest.mark.parametrize(
    ("gguf_name", "hf_name"),
    [("token_embd.weight", "model.embed_tokens.weight"),
     ("output_norm.weight", "model.norm.weight"),
     ("blk.12.attn_output.weight", "model.layers.12.self_attn.o_proj.weight"),
     ("blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight")],
)
def test_names(gguf_name, hf_name):
    assert prepare_model.hf_name(gguf_name) == hf_name


def test_unknown_tensors_are_refused():
    with pytest.raises(KeyError):
        prepare_model.hf_name("blk.0.attn_qkv.weight")


def test_float32_settings_become_what_was_meant():
    assert prepare_model.shortest_float(np.float32(1e-5)) == 1e-5
