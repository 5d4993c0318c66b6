"""Manifests and data for the pipeline tests."""

import pathlib

import pyarrow
import pyarrow.parquet
import yaml

REPOSITORY = "tunesmith-tests/tiny-llama"
# Steps of a training that one can interrupt: some 10 s on these machines.
LONG = 8000


def write_conversations(path: pathlib.Path, rows: int = 48) -> None:
    messages = [
        [
            {"role": "user", "content": f"count to {1 + i % 7}"},
            {"role": "assistant", "content": " ".join(str(n) for n in range(1, 2 + i % 7))},
        ]
        for i in range(rows)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table({"messages": messages}), path)


def manifest(
    name: str,
    *,
    url: str = "http://data.tunesmith.internal/data/train.parquet",
    image: str | None = None,
    secret: str = "demo-registry",
    model: str = REPOSITORY,
    steps: int = 30,
    rank: int = 4,
    arguments: dict | None = None,
    annotations: dict | None = None,
    config: str | None = None,
) -> str:
    """A Workspace and its ConfigMap, as YAML. The steps are short, so that one can interrupt between them."""
    workspace = {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": name, **({"annotations": annotations} if annotations else {})},
        "resource": {"labelSelector": {"matchLabels": {"app": name}}},
        "tuning": {
            "preset": {"name": model},
            "method": "qlora",
            "config": config or f"{name}-training",
            "input": {"urls": [url]},
            "output": {
                "image": image or f"registry.tunesmith.internal/tests/{name}:1",
                "imagePushSecret": secret,
            },
        },
    }
    training = {
        "QuantizationConfig": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True},
        "LoraConfig": {"r": rank, "lora_alpha": 8},
        "TrainingArguments": {
            "max_steps": steps,
            "per_device_train_batch_size": 4,
            "learning_rate": 0.01,
            "logging_steps": 1,
            "max_seq_length": 64,
            **(arguments or {}),
        },
        "DatasetConfig": {"shuffle_dataset": True, "train_test_split": 0.9},
    }
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": config or f"{name}-training"},
        "data": {"training_config.yaml": yaml.safe_dump({"training_config": training})},
    }
    return yaml.safe_dump_all([workspace, config_map])
