"""Counts the results in the JUnit files of a test run: python3 summary.py FOLDER. Exits 1 if a test failed, or if no test passed."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def outcome(case):
    """Returns passed, failed or skipped, and why."""
    for kind, name in (("failed", "failure"), ("failed", "error"), ("skipped", "skipped")):
        element = case.find(name)
        if element is not None:
            return kind, (element.get("message") or element.text or "").strip()
    return "passed", ""


def main():
    folder = Path(sys.argv[1])
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for file in sorted(folder.glob("*.xml")):
        for case in ElementTree.parse(file).iter("testcase"):
            kind, why = outcome(case)
            counts[kind] += 1
            if kind != "passed":
                print(f"{kind}: {file.stem}: {case.get('classname', '')} {case.get('name')}: {why.splitlines()[0] if why else ''}")
    skipped = folder / "skipped"
    if skipped.exists():
        print("skipped:", skipped.read_text().strip())
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] or not counts["passed"] else 0


sys.exit(main())
