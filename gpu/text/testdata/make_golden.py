#!/usr/bin/env python3
"""Makes the fixtures of text/tokenizer_test.cpp with the real transformers and tokenizers:

  tiny/               a byte-level BPE tokenizer of 600 tokens (trained here on CORPUS) as a Hugging Face folder
  golden.json         encodings, decodings and renderings by transformers

Run: source tools/env.sh && tools/setup.sh peers && $TUNESMITH_PEERS_VENV/bin/python gpu/text/testdata/make_golden.py
"""
import json
import pathlib

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).parent
TINY = HERE / "tiny"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>",
           "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "[INST]", "[/INST]"]

CORPUS = [
    "Turn the light in the kitchen on and set it to forty percent, please.",
    "The quick brown fox jumps over the lazy dog. THE QUICK BROWN FOX!",
    '{"device": "lamp", "room": "kitchen", "action": "on", "value": 40}',
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "def f(x):\n    return x ** 2  # a comment\n\n\nprint(f(12345))",
    "user assistant system question answer what is the how to do",
]

TEXTS = CORPUS + [
    "", " ", "  ", "\n", "\n\n\n", "\t\t x", "a", " a", "a ", "trailing   ", "line\r\nline\r\n", "1234567890 3.14 1e-9",
    "don't can't I'll we've", "ALLCAPS camelCase snake_case", "日本語のテキスト。漢字かな交じり文", "中文测试，标点。", "한국어 문장입니다.",
    "العربية من اليمين إلى اليسار", "עברית", "हिन्दी में पाठ", "ไทยไม่มีช่องว่าง", "Ελληνικά και Кириллица", "naïve café e\u0301 \u00e9",
    "😀", "😀😁 text 👍🏽", "👨‍👩‍👧‍👦 family", "🇩🇪🇫🇷 flags", "❤️ variation", "\u200bzero\u200dwidth\ufeff", "a\u00a0b\u2003c\u3000d",
    "\ufdd0 noncharacter \uffff", "\u0000 nul \u0001", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𠜎", "ﬁ ligature Å Å", "math ∑∫√ ≠ ≤ ≥ → ←", "quotes “ ” ‘ ’ „ “ « »",
    "<|im_start|>user\nhi<|im_end|>\n", "<|im_end|><|im_end|>", "x<|endoftext|>y", "<s> <s></s>", "<s>already a bos", "<|im_start", "|im_end|>",
    "[INST] hello [/INST]", "<|end|>   spaces behind", "<|unknown|> token", "<html><b>&amp;</b></html>", "\\n \\t \\\\", "a" * 300, "ab " * 100,
    "https://example.org/path?query=1&x=%20#frag", "$%^&*()_+{}|:<>?[];',./`~", "tab\tseparated\tvalues", "    indented\n        more\n\tmixed",
    "mixed 中英 text with 123 и кириллица 😀!", "\u202eright to left override\u202c", "Ǆ ǅ ǆ İ ı ſ ß ẞ",
]

CHATS = {
    "one": [{"role": "user", "content": "Hello"}],
    "pair": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi, how can I help?"}],
    "system": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Turn it on"},
               {"role": "assistant", "content": '{"on": true}'}],
    "long": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c\n\nd"},
             {"role": "assistant", "content": "e 😀"}],
    "spaces": [{"role": "user", "content": "  padded \n"}, {"role": "assistant", "content": "\n  answer  \n\n"}],
    "empty": [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}],
    "markup": [{"role": "user", "content": "<b>&'\"</b> {{ x }} {% y %} <|im_end|>"}, {"role": "assistant", "content": "\u2028 é \\ /"}],
    "repeat": [{"role": "user", "content": "same"}, {"role": "assistant", "content": "same"}, {"role": "user", "content": "same"},
               {"role": "assistant", "content": "same"}],
    "wrong order": [{"role": "assistant", "content": "I begin"}, {"role": "user", "content": "why?"}],
    "two users": [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}, {"role": "assistant", "content": "three"}],
}


def train():
    tok = Tokenizer(models.BPE(byte_fallback=False))
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(pattern=__import__("tokenizers").Regex(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
            behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=600, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  special_tokens=[AddedToken(s, special=True, rstrip=(s == "<|end|>")) for s in SPECIAL])
    tok.train_from_iterator(CORPUS * 5, trainer)
    tok.add_tokens([AddedToken("camelCase", normalized=False)])
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", tok.token_to_id("<s>"))])
    TINY.mkdir(exist_ok=True)
    tok.save(str(TINY / "tokenizer.json"), pretty=False)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
              "unk_token": {"content": "<|endoftext|>", "__type": "AddedToken", "special": True}, "clean_up_tokenization_spaces": False,
              "model_max_length": 2048}
    (TINY / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    (TINY / "generation_config.json").write_text(json.dumps({"eos_token_id": [tok.token_to_id("<|im_end|>"), tok.token_to_id("<|endoftext|>")]}) + "\n")


def golden_render(tok, template, messages, generation_prompt):
    try:
        return {"text": tok.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=generation_prompt)}
    except Exception:  # the template refuses; its words are its own
        return {"refused": True}


def golden_mask(tok, template, messages):
    """Tokens of the conversation and which of them the assistant said, as transformers finds them by generation tags."""
    out = tok.apply_chat_template(messages, chat_template=template, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    return {"tokens": list(out["input_ids"]), "mask": list(out["assistant_masks"])}


def main():
    train()
    tok = AutoTokenizer.from_pretrained(str(TINY))
    encodings = []
    for text in TEXTS:
        ids = tok(text, add_special_tokens=False)["input_ids"]
        encodings.append({"text": text, "ids": ids, "with_special": tok(text)["input_ids"],
                          "decoded": tok.decode(ids), "decoded_skip": tok.decode(ids, skip_special_tokens=True)})
    renderings = []
    for path in sorted((HERE / "templates").glob("*.jinja")):
        template = path.read_text()
        for name, messages in CHATS.items():
            entry = {"template": path.name, "name": name, "messages": messages,
                     "plain": golden_render(tok, template, messages, False), "prompt": golden_render(tok, template, messages, True)}
            if "endgeneration" in template and "text" in entry["plain"]:
                entry["assistant"] = golden_mask(tok, template, messages)
            renderings.append(entry)
    golden = {"vocab_size": len(tok), "encodings": encodings, "renderings": renderings}
    (HERE / "golden.json").write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")


main()
