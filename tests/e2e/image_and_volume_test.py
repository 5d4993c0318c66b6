"""Training data in an image and on a volume, the adapter into a folder and back into a tag, end to end."""

import gzip
import hashlib
import io
import json
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

import pytest
import yaml

from stack import Events, FileHost, Stack
from workspaces import manifest

ROW = {"messages": [{"role": "user", "content": "count to 3"}, {"role": "assistant", "content": "1 2 3"}]}
ROWS = "".join(json.dumps(ROW) + "\n" for _ in range(48)).encode()


@pytest.fixture(scope="module")
def allowed():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tunesmith-allowed-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stack(world, allowed):
    host = FileHost(world)
    home = pathlib.Path(tempfile.mkdtemp(prefix="tunesmith-stack-"))
    running = Stack(home, host)
    running.up("--allow-host-path", str(allowed))
    yield running
    running.down()
    host.close()
    shutil.rmtree(home)


def layer(files: dict[str, bytes]) -> tuple[bytes, str]:
    """A layer as docker build writes it, and its diff id."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    digest = hashlib.sha256(plain.getvalue()).hexdigest()
    return gzip.compress(plain.getvalue(), mtime=0), f"sha256:{digest}"


def push_image(stack: Stack, repository: str, layers: list[dict[str, bytes]], folder: pathlib.Path) -> None:
    """An OCI layout of our own, pushed by skopeo."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def add(content: bytes, media_type: str) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    oci = "application/vnd.oci.image"
    packed = [layer(files) for files in layers]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in packed]}}
    image = {
        "schemaVersion": 2,
        "mediaType": f"{oci}.manifest.v1+json",
        "config": add(json.dumps(config).encode(), f"{oci}.config.v1+json"),
        "layers": [add(content, f"{oci}.layer.v1.tar+gzip") for content, _ in packed],
    }
    index = {"schemaVersion": 2, "manifests": [add(json.dumps(image).encode(), image["mediaType"])]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    registry = stack.facts()["registry"]["address"]
    subprocess.run(
        ["skopeo", "copy", "-q", "--dest-tls-verify=false", "--dest-authfile", stack.home / "secrets/default/demo-registry",
         f"oci:{folder}", f"docker://{registry}/{repository}"],
        check=True, capture_output=True,
    )  # fmt: skip


def workspace(name: str, tuning: dict, annotations: dict | None = None, **choices) -> str:
    """The usual manifest with other ends; a part that is None goes."""
    documents = list(yaml.safe_load_all(manifest(name, **choices)))
    for end, parts in tuning.items():
        documents[0]["tuning"][end] = parts
    documents[0]["metadata"]["annotations"] = annotations or {}
    return yaml.safe_dump_all(documents)


def test_data_from_an_image_and_the_adapter_into_a_folder(stack, allowed, tmp_path):
    lower = {"data/old.jsonl": b"no row of this counts\n", "bin/sh": b"x"}
    upper = {"data/.wh.old.jsonl": b"", "data/train.jsonl": ROWS, "data/README.md": b"about the data"}
    push_image(stack, "team/data:v1", [lower, upper], tmp_path / "image")
    out = allowed / "models/first"
    ends = {
        "input": {"image": "registry.tunesmith.internal/team/data:v1", "imagePullSecrets": ["demo-registry"]},
        "output": {"volumeSource": {"hostPath": {"path": str(out)}}},
    }
    stack.apply(workspace("imaged", ends, steps=5))
    assert stack.watch("imaged") == 0, stack.status("imaged").get("failure")

    status = stack.status("imaged")
    manifest_text = (out / "tunesmith.json").read_bytes()
    assert status["output"]["path"] == str(out) and "image" not in status["output"]
    assert status["output"]["digest"] == f"sha256:{hashlib.sha256(manifest_text).hexdigest()}"
    assert status["plan"]["data"][0]["image"] == ends["input"]["image"]
    stored = json.loads(manifest_text)
    assert stored["tuningKey"] == status["tuning"]["tuningKey"]
    for file in stored["files"]:
        assert hashlib.sha256((out / file["name"]).read_bytes()).hexdigest() == file["sha256"]
    assert sorted(p.name for p in out.iterdir()) == ["README.md", "adapter_config.json", "adapter_model.safetensors", "tunesmith.json"]
    assert str(out) in stack.run("describe", "workspace", "imaged").stdout


def test_data_from_a_folder_and_a_taken_tag(stack, allowed):
    data = allowed / "data"
    data.mkdir()
    (data / "train.jsonl").write_bytes(ROWS)
    ends = {"input": {"volumeSource": {"hostPath": {"path": str(data)}}}}
    stack.apply(workspace("foldered", ends, steps=5, image="registry.tunesmith.internal/tests/taken:1"))
    assert stack.watch("foldered") == 0, stack.status("foldered").get("failure")
    first = stack.status("foldered")["output"]["digest"]

    # Another tuning into the same tag is refused, and says what to do; then the user does it.
    choices = {"steps": 6, "image": "registry.tunesmith.internal/tests/taken:1"}
    stack.apply(workspace("taker", ends, **choices))
    assert stack.watch("taker") == 1
    failure = stack.status("taker")["failure"]
    assert failure["reason"] == "OutputTagTaken" and "tunesmith.dev/replace-tag" in failure["message"]
    stack.apply(workspace("taker", ends, annotations={"tunesmith.dev/replace-tag": "true"}, **choices))
    events = Events(stack, "taker")
    events.wait_for("image-pushed")
    events.close()
    assert stack.watch("taker") == 0, stack.status("taker").get("failure")
    assert stack.status("taker")["output"]["digest"] != first


def test_other_folders_are_refused_by_apply(stack, tmp_path):
    ends = {"output": {"volumeSource": {"hostPath": {"path": str(tmp_path)}}}}
    done = stack.run("apply", "-f", "-", stdin=workspace("elsewhere", ends), check=False)
    assert done.returncode == 1 and "allowed_host_paths" in done.stderr
