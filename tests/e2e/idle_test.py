"""What a service costs when nothing happens: memory, processor, start. Promised: 40 MiB, no poll loop, 1 s. `make bench` prints the rows.

Time is counted in processor seconds where it is judged: a busy machine does not change them.
"""

import os
import pathlib
import subprocess
import time

import pytest

from stack import BIN

SERVICES = ["watcher", "planner", "image-builder", "provisioner", "gpu-worker"]
# A factor of two on what is promised. Ready at all: whatever the machine does meanwhile.
RSS_MIB, START_CPU_SECONDS, READY_SECONDS = 80, 2.0, 120
IDLE_SECONDS, IDLE_SHARE = 5.0, 0.05
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} has no VmRSS")


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def start_seconds(stack, service: str, port_file: pathlib.Path) -> tuple[float, float]:
    """From exec to the port file, on the wall and of processors: a second process of the service beside the stack's own."""
    started = time.monotonic()
    with subprocess.Popen(
        [BIN / f"tunesmith-{service}", "--config", stack.home / "config" / f"{service}.yaml"],
        env={**stack.environment, "TUNESMITH_PORT_FILE": str(port_file)}, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        while not port_file.exists() and time.monotonic() - started < READY_SECONDS:
            assert process.poll() is None
            time.sleep(0.002)  # the measure's own resolution
        elapsed, cpu = time.monotonic() - started, cpu_seconds(process.pid)
        process.terminate()
    assert port_file.exists()
    return elapsed, cpu


@pytest.mark.parametrize("service", SERVICES)
def test_an_idle_service_is_small(module_stack, service, tmp_path):
    pid = module_stack.pid_of(service)
    before = cpu_seconds(pid)
    time.sleep(IDLE_SECONDS)  # what is measured is that nothing happens meanwhile
    share = (cpu_seconds(pid) - before) / IDLE_SECONDS
    rss = rss_mib(pid)
    start, start_cpu = start_seconds(module_stack, service, tmp_path / "port")
    print(f"\n| {service} | {rss:.1f} MiB | {100 * share:.1f} % of a core | {1000 * start:.0f} ms to readiness |")
    assert rss < RSS_MIB
    assert share < IDLE_SHARE
    assert start_cpu < START_CPU_SECONDS
