#!/usr/bin/python3
"""manual_test.py SOURCE LETHECTL: tests that the manual is well-formed, and names every interface member and every command. Prints TAP."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

SOURCE, LETHECTL = Path(sys.argv[1]), sys.argv[2]
PAGES = sorted(path for folder in ("src", "docs") for path in (SOURCE / folder).rglob("*.[1-8]"))


def rendered(name):
    page = next(path for path in PAGES if path.name == name)
    text = subprocess.run(["mandoc", "-T", "utf8", page], capture_output=True, text=True, check=True).stdout
    return re.sub(".\b", "", text)


def members(path):
    """Yields (name, arguments) of each member of an interface; properties have no arguments."""
    for member in ElementTree.parse(path).find("interface"):
        if member.tag != "annotation":
            yield member.get("name"), [argument.get("name") for argument in member.findall("arg")]


def lint(page):
    # The style warning "referenced manual not found" is about the machine that runs this.
    run = subprocess.run(["mandoc", "-T", "lint", "-W", "style", page], capture_output=True, text=True)
    return [line for line in run.stdout.splitlines() if "referenced manual not found" not in line]


def interface_members(page, xmls):
    text = rendered(page)
    return [f"{path.name}: {word}" for path in xmls for name, arguments in members(path)
            for word in [name, *arguments] if not re.search(rf"\b{word}\b", text)] if xmls else ["no interface"]


def error_names():
    page = rendered("org.lethe.Identity1.5")
    names = re.findall(r'"org\.lethe\.Error\.(\w+)"', (SOURCE / "src/bus/errors.cpp").read_text())
    return [name for name in names if not re.search(rf"^ *{name} ", page, re.M)] if names else ["no table"]


def settings():
    page = rendered("lethe.conf.5")
    names = re.findall(r'^    \{"(\w+)",$', (SOURCE / "src/vault/configuration.cpp").read_text(), re.M)
    return [name for name in names if not re.search(rf"^ *{name}=", page, re.M)] if names else ["no settings"]


def command_names():
    page = re.sub(r"\s+", " ", rendered("lethectl.1"))
    completion = (SOURCE / "src/lethectl/lethectl.bash").read_text()
    text = subprocess.run([LETHECTL, "--help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  ((?:[a-z]+ ?)+)", text.split("options:")[0], re.M)
    return [f"{command} is missing" for command in map(str.strip, commands)
            if command not in page or not all(re.search(rf"\b{word}\b", completion) for word in command.split())] if commands else ["no commands"]


checks = {f"{page.name} has no lint": (lambda page=page: lint(page)) for page in PAGES}
for interface in ("Identity1", "State1", "Update1"):
    page, xmls = f"org.lethe.{interface}.5", sorted((SOURCE / "src").rglob(f"org.lethe.{interface}.*.xml"))
    checks[f"{page} names every member and argument of the XML"] = lambda page=page, xmls=xmls: interface_members(page, xmls)
checks["org.lethe.Identity1.5 names every error of the table"] = error_names
checks["lethe.conf.5 has every setting"] = settings
checks["lethectl.1 and the completion name every command"] = command_names
print(f"1..{len(checks)}")
status = 0
for number, (sentence, check) in enumerate(checks.items(), 1):
    found = check()
    status |= bool(found)
    print("".join(f"# {line}\n" for line in found), end="")
    print(f"{'not ok' if found else 'ok'} {number} {sentence}")
sys.exit(status)
