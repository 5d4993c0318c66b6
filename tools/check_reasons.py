#!/usr/bin/env python3
"""docs/reasons.md names every reason that the code can give, once, sorted, and none besides; and every reason has a case.

Reasons are the CamelCase words that sources (not tests) give to a Failure: permanent("X", …), {FailureClass::kTransient, "X", …},
reason = "X", and what helpers with a reason as argument are given. A case is a test, or a row of a table of tests, that expects
the reason by its name.
"""
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLASSES = ("Permanent", "Transient", "Poison")
WORD = r'"([A-Z][a-z]+(?:[A-Z][A-Za-z0-9]*)?)"'
# (pattern, class or None: what the match tells of it)
PATTERNS = [
    (r"\bpermanent\(\s*" + WORD, "Permanent"),
    (r"\btransient\(\s*" + WORD, "Transient"),
    (r"\bpoison\(\s*" + WORD, "Poison"),
    (r"\bagain\(\s*" + WORD, "Transient"),  # runtime/http_exchange.cpp
    (r"FailureClass::kPermanent,\s*" + WORD, "Permanent"),
    (r"FailureClass::kTransient,\s*" + WORD, "Transient"),
    (r"FailureClass::kPoison,\s*" + WORD, "Poison"),
    (r"[rR]eason\s*=\s*" + WORD, None),
    (r'"reason",\s*' + WORD + r"\}", None),  # a status written as JSON
    (r"\bread_json_object\([^;]*?" + WORD + r",\s*\"", None),  # the reason when missing …
    (r"\bread_json_object\([^;]*?\"\w+\",\s*" + WORD, None),  # … and when invalid
]


def sources():
    names = subprocess.run(["git", "ls-files", "services", "gpu"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in names.split():
        path = ROOT / name
        tests = name.endswith(("_test.cpp", "testing.h", "_fixture.h")) or "/testing/" in name
        if name.endswith((".cpp", ".h")) and not tests and path.exists():
            yield path


def reasons_in_code():
    """reason → (places, classes)"""
    found = collections.defaultdict(lambda: (set(), set()))
    for path in sources():
        text = re.sub(r"(?m)^\s*//.*$", "", path.read_text())
        for pattern, failure_class in PATTERNS:
            for match in re.finditer(pattern, text):
                places, classes = found[match[1]]
                places.add(str(path.relative_to(ROOT)))
                if failure_class:
                    classes.add(failure_class)
    return found


def words_of_tests():
    """Every word that tests and their tables expect, but for comments."""
    listed = subprocess.run(["git", "ls-files", "services", "gpu", "tests"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = set()
    for name in listed.split():
        path = ROOT / name
        table = name.endswith((".yaml", ".yml")) and ("testdata/" in name or name.startswith("tests/"))
        if path.exists() and (table or name.endswith(("_test.cpp", "_test.py"))):
            words.update(re.findall(r"\w+", re.sub(r"(?m)^\s*(//|#).*$", "", path.read_text(errors="replace"))))
    return words


def full_rows():
    """The cells of each row."""
    for line in (ROOT / "docs/reasons.md").read_text().splitlines():
        if line.startswith("|") and not line.startswith(("| reason", "|---")):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows():
    """(reason, class) of each row of the table, in its order"""
    for cells in full_rows():
        yield cells[0], cells[2] if len(cells) == 5 else ""


def main():
    code, table = reasons_in_code(), list(rows())
    named = [reason for reason, _ in table]
    problems = [f"{reason} has no row ({', '.join(sorted(code[reason][0]))})" for reason in sorted(set(code) - set(named))]
    problems += [f"{reason} has a row, but nothing gives it" for reason in named if reason not in code]
    tested = words_of_tests()
    problems += [f"{reason} has no case: no test expects it" for reason in named if reason not in tested]
    problems += [f"{cells[0]}: a cell is empty" for cells in full_rows() if not all(cells)]
    problems += [f"{one} stands before {other}" for one, other in zip(named, named[1:]) if one >= other]
    for reason, failure_class in table:
        known = code[reason][1] if reason in code else set()
        if failure_class not in CLASSES or (known and failure_class not in known):
            problems.append(f"{reason}: class {failure_class or 'missing'}, expected {' or '.join(sorted(known or CLASSES))}")
    for problem in problems:
        print(f"docs/reasons.md: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
