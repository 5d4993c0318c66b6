"""Runs every test suite of a build and says how long each took; the last line is "N passed, N failed".

usage: run_tests.py BUILD [SUITE…]      a SUITE is a name or a part of one; none = all

Suites are the GoogleTest executables that CMake registered and the pytest folders, two at a time: first the unit tests,
then what starts servers and whole stacks. Cases are counted from each runner's own JUnit report; a suite that
crashes, times out or reports nothing counts as one failed case.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTEST_FOLDERS = ["examples", "tests/docs", "tests/e2e", "tests/chaos/real"]
PYTEST_TIMEOUT_SECONDS = 1500
SUITES_AT_ONCE = 2  # the long ones mostly wait for processes; none assumes to be alone


@dataclass
class Suite:
    name: str
    command: list[str]
    label: str
    timeout_seconds: float
    environment: dict[str, str]
    report_flag: str  # how the runner is told where to write its JUnit report


@dataclass
class Outcome:
    passed: int
    failed: int
    seconds: float
    output: str


def gtest_suites(build: pathlib.Path) -> list[Suite]:
    listing = subprocess.run(
        ["ctest", "--test-dir", str(build), "--show-only=json-v1"], check=True, capture_output=True, text=True
    )
    suites = []
    for test in json.loads(listing.stdout)["tests"]:
        properties = {p["name"]: p["value"] for p in test["properties"]}
        environment = dict(item.split("=", 1) for item in properties.get("ENVIRONMENT", []) if "=" in item)
        suites.append(
            Suite(
                name=test["name"],
                command=test.get("command", []),  # none: its executable is not built
                label=properties.get("LABELS", ["unit"])[0],
                timeout_seconds=float(properties.get("TIMEOUT", 120)),
                environment=environment,
                report_flag="--gtest_output=xml:",
            )
        )
    return suites


def pytest_suites(build: pathlib.Path) -> list[Suite]:
    return [
        Suite(
            name=f"pytest {folder}",
            command=[sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "python_files=*_test.py", folder],
            label="e2e",
            timeout_seconds=PYTEST_TIMEOUT_SECONDS,
            environment={"TUNESMITH_BIN": str((build / "bin").resolve())},
            report_flag="--junit-xml=",
        )
        for folder in PYTEST_FOLDERS
        if list((ROOT / folder).rglob("*_test.py"))
    ]


def count_cases(report: pathlib.Path) -> tuple[int, int]:
    """(passed, failed) of a JUnit report; (0, 0) when there is none."""
    try:
        root = ElementTree.parse(report).getroot()
    except (OSError, ElementTree.ParseError):
        return 0, 0
    passed = failed = 0
    for case in root.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is None and case.get("status") != "notrun":
            passed += 1
    return passed, failed


def run(suite: Suite) -> Outcome:
    if not suite.command:
        return Outcome(0, 1, 0.0, "it is not built: make build")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tunesmith-report-") as folder:
        report = pathlib.Path(folder) / "report.xml"
        with subprocess.Popen(
            [*suite.command, f"{suite.report_flag}{report}"],
            cwd=ROOT,
            env={**os.environ, **suite.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=suite.timeout_seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                output, _ = process.communicate()
                output += f"\nkilled: still running after {suite.timeout_seconds:.0f} s\n"
        passed, failed = count_cases(report)
    if process.returncode != 0 and failed == 0:
        failed = 1
    return Outcome(passed, failed, time.monotonic() - started, output)


def report(suite: Suite, outcome: Outcome) -> None:
    verdict = "ok  " if outcome.failed == 0 else "FAIL"
    print(f"{verdict} {suite.name:<44} {outcome.passed:>5} passed {outcome.failed:>3} failed {outcome.seconds:>7.1f} s", flush=True)
    if outcome.failed:
        print("\n".join("     | " + line for line in outcome.output.splitlines()[-200:]), flush=True)


def main() -> int:
    build = pathlib.Path(sys.argv[1])
    wanted = sys.argv[2:]
    suites = gtest_suites(build) + pytest_suites(build)
    if wanted:
        suites = [s for s in suites if any(w in s.name for w in wanted)]
    started = time.monotonic()
    passed = failed = 0
    for group in ([s for s in suites if s.label == "unit"], [s for s in suites if s.label != "unit"]):
        with concurrent.futures.ThreadPoolExecutor(max_workers=SUITES_AT_ONCE) as pool:
            for suite, outcome in zip(group, pool.map(run, group)):
                report(suite, outcome)
                passed += outcome.passed
                failed += outcome.failed
    if passed + failed == 0:
        print("no test ran", file=sys.stderr)
        failed = 1
    print(f"all suites: {time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
