"""Writes what a run of the full matrix measured into docs/guarantees.md, between its two markers.

usage: write_table.py OUTCOMES.json GUARANTEES.md
"""

import datetime
import json
import os
import pathlib
import platform
import sys

import yaml

BEGIN, END = "<!-- outcomes: written by tests/chaos/real/write_table.py -->", "<!-- end of outcomes -->"
MATRIX = yaml.safe_load((pathlib.Path(__file__).parent / "matrix.yaml").read_text())


def processor() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def cell(outcome: dict | None, baseline: float) -> str:
    if outcome is None:
        return "–"
    if outcome["failed"]:
        return "**failed**"
    lost = max(0.0, outcome["seconds"] - baseline)
    repeated = f", {outcome['steps_repeated']} steps" if outcome["steps_repeated"] else ""
    return f"+{lost:.0f} s{repeated}"


def table(outcomes: list[dict]) -> str:
    by_cell = {(o["fault"], o["stage"]): o for o in outcomes}
    baseline = {stage: by_cell[("nothing", stage)]["seconds"] for stage in MATRIX["stages"]}
    lines = [
        f"Measured {datetime.date.today()} on {os.cpu_count()} × {processor()}, load {os.getloadavg()[2]:.1f} while it ran;"
        f" {sum(not o['failed'] for o in outcomes)} of {len(outcomes)} cells kept the promise.",
        "",
        f"| fault | {' | '.join(MATRIX['stages'])} |",
        "|---" * (len(MATRIX["stages"]) + 1) + "|",
        "| nothing (seconds to the image) | " + " | ".join(f"{baseline[s]:.0f} s" for s in MATRIX["stages"]) + " |",
    ]
    for row in MATRIX["full"]:
        if row["fault"] != "nothing":
            cells = [cell(by_cell.get((row["fault"], s)), baseline[s]) for s in MATRIX["stages"]]
            lines.append(f"| {row['fault']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    outcomes, document = json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(sys.argv[2])
    before, rest = document.read_text().split(BEGIN)
    after = rest.split(END)[1]
    document.write_text(f"{before}{BEGIN}\n{table(outcomes)}\n{END}{after}")


if __name__ == "__main__":
    main()
