"""clang-tidy on our own sources, remembering what was clean: usage: tidy.py BUILD CACHE_FOLDER

A file is read again only when it, a header of ours that it includes, the checks or clang-tidy itself changed. What it includes
is what ninja recorded at the last build. Tests and the few files that include torch's headers (half a minute each) are left out.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLANG_TIDY = "clang-tidy-16"


def included_by_source(build: pathlib.Path) -> dict[pathlib.Path, list[pathlib.Path]]:
    """Each of our sources with all files of ours and of torch that it includes, itself among them."""
    listing = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True, capture_output=True, text=True).stdout
    result: dict[pathlib.Path, list[pathlib.Path]] = {}
    for block in listing.split("\n\n"):
        files = [(build / line.strip()).resolve() for line in block.splitlines()[1:]]
        if files and files[0].is_relative_to(ROOT):
            result[files[0]] = files
    return result


def is_read(source: pathlib.Path, included: list[pathlib.Path]) -> bool:
    generated = source.is_relative_to(ROOT / "build")
    return (
        not generated
        and source.suffix == ".cpp"
        and not source.stem.endswith("_test")
        and source.relative_to(ROOT).parts[0] in ("services", "gpu")
        and not any("torch" in file.parts for file in included)
    )


def key_of(included: list[pathlib.Path], base: bytes) -> str:
    digest = hashlib.sha256(base)
    for file in sorted(f for f in included if f.is_relative_to(ROOT) and not f.is_relative_to(ROOT / "build")):
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def main() -> int:
    build, cache = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([CLANG_TIDY, "--version"], check=True, capture_output=True).stdout
    base = version + (ROOT / ".clang-tidy").read_bytes()
    sources = {s: i for s, i in included_by_source(build).items() if is_read(s, i)}
    keys = {source: key_of(included, base) for source, included in sources.items()}
    due = sorted(source for source, key in keys.items() if not (cache / key).exists())
    print(f"clang-tidy: {len(sources)} files, {len(due)} to read", flush=True)
    known = {entry["file"] for entry in json.loads((build / "compile_commands.json").read_text())}
    due = [source for source in due if str(source) in known]

    def read(source: pathlib.Path) -> subprocess.CompletedProcess:
        return subprocess.run([CLANG_TIDY, "-p", build, "--quiet", source], capture_output=True, text=True)

    failed, shown = 0, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for count, (source, done) in enumerate(zip(due, pool.map(read, due)), start=1):
            if done.returncode == 0:
                (cache / keys[source]).touch()
            else:
                failed += 1
                print(done.stdout, flush=True)
            if time.monotonic() - shown > 30:
                shown = time.monotonic()
                print(f"clang-tidy: {count} of {len(due)} read", flush=True)
    if failed:
        print(f"clang-tidy: {failed} files with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
