#!/usr/bin/env python3
"""Checks the Xcode templates without Xcode.

    tests/templates/check.py OUT      expand every template into OUT/<template>/ and print its files

Each bundle must be well formed and complete; each concrete template is expanded as Xcode does it, for
a product whose name is no identifier. What reads the result: tests/swift/run.sh builds and type-checks
it. Assumed of Xcode (26): ancestors' definitions and nodes come first, a node of the same name is
overridden, `___MACRO___` and `___MACRO:transform___` are replaced in names and texts.
"""

import plistlib
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = ROOT / "templates"
APPLE = {"com.apple.dt.unit.multiPlatform.app.SwiftUI"}
KIND = "Xcode.Xcode3.ProjectTemplateUnitKind"
PRODUCT = "My 2nd Demo"
MACROS = {
    "PACKAGENAME": PRODUCT,
    "PACKAGENAMEASIDENTIFIER": "My_2nd_Demo",
    "FULLUSERNAME": "A Developer",
    "DATE": "25.11.2026",
    "YEAR": "2026",
    "ORGANIZATIONNAME": "An Organization",
    "FILEHEADER": "\n//  A file header\n//",
}
problems = []


def problem(where, text):
    problems.append(f"{where}: {text}")


def identifier(text):
    return re.sub(r"\W", "_", text)


def expand(text, where):
    def replace(match):
        name, transform = match.group(1), match.group(2)
        if name not in MACROS or transform not in (None, "identifier"):
            problem(where, f"Xcode does not know {match.group(0)}")
            return ""
        value = MACROS[name]
        return identifier(value) if transform else value

    return re.sub(r"___([A-Z]+)(?::(\w+))?___", replace, text)


class Template:
    def __init__(self, folder):
        self.folder = folder
        self.name = folder.name
        with open(folder / "TemplateInfo.plist", "rb") as file:
            self.info = plistlib.load(file)
        self.identifier = self.info.get("Identifier")
        self.concrete = self.info.get("Concrete", False)

    def check(self, known):
        if self.info.get("Kind") != KIND:
            problem(self.name, "it is of another kind")
        for ancestor in self.info.get("Ancestors", []):
            if ancestor not in known | APPLE:
                problem(self.name, f"nothing is called {ancestor}")
        if not self.info.get("Description"):
            problem(self.name, "it has no description")
        definitions, nodes = self.info.get("Definitions", {}), self.info.get("Nodes", [])
        for node in nodes:
            if node not in definitions:
                problem(self.name, f"the node {node} has no definition")
        used = set()
        for name, definition in definitions.items():
            if name not in nodes:
                problem(self.name, f"the definition {name} is no node")
            path = self.folder / definition["Path"]
            if not path.exists():
                problem(self.name, f"{definition['Path']} is missing")
            used |= {path, *path.rglob("*")} if path.is_dir() else {path}
        for file in self.folder.rglob("*"):
            if file.is_file() and file not in used and file.name != "TemplateInfo.plist":
                problem(self.name, f"{file.relative_to(self.folder)} belongs to no node")

    def lineage(self, templates):
        """Ancestors of ours, the farthest first, then this one."""
        for ancestor in self.info.get("Ancestors", []):
            if ancestor in templates:
                yield from templates[ancestor].lineage(templates)
        yield self

    def expand(self, templates, out):
        files = {}
        for template in self.lineage(templates):
            for name, definition in template.info.get("Definitions", {}).items():
                files[expand(name, template.name)] = (template, definition)
        for name, (template, definition) in files.items():
            source = template.folder / definition["Path"]
            target = out / (definition["Path"] if definition.get("IsPackageReference") else name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                target.write_text(expand(source.read_text(), f"{template.name}/{source.name}"))
        opened = next((t.info["NameOfInitialFileForEditor"] for t in reversed(list(self.lineage(templates)))
                       if "NameOfInitialFileForEditor" in t.info), None)
        if opened not in files:
            problem(self.name, f"{opened}, the file to open first, is not made")


def check_rights(template):
    """A sandboxed app that asks a server and reads what is dropped on it."""
    wanted = {"ENABLE_APP_SANDBOX": "YES", "ENABLE_OUTGOING_NETWORK_CONNECTIONS": "YES",
              "ENABLE_USER_SELECTED_FILES": "readonly", "ENABLE_HARDENED_RUNTIME": "YES"}
    for target in template.info.get("Targets", []):
        have = target.get("SharedSettings", {})
        for key, value in wanted.items():
            if have.get(key) != value:
                problem(template.name, f"its target has {key} = {have.get(key)}, not {value}")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: check.py OUT")
    out = Path(sys.argv[1])
    shutil.rmtree(out, ignore_errors=True)
    all_templates = [Template(folder) for folder in sorted(TEMPLATES.glob("*.xctemplate"))]
    templates = {template.identifier: template for template in all_templates}
    if len(templates) != len(all_templates):
        problem("templates", "two have the same identifier")
    for template in all_templates:
        template.check(set(templates))
        check_rights(template)
    concrete = [template for template in all_templates if template.concrete]
    names = {template.folder.stem for template in concrete}
    for wanted in ("MLX Chat App", "MLX Document Analyzer", "MLX Image Captioner"):
        if wanted not in names:
            problem("templates", f"{wanted} is missing")
    for template in concrete:
        template.expand(templates, out / identifier(template.folder.stem))
    for file in sorted(path for path in out.rglob("*") if path.is_file()):
        if re.search(r"___\w+___", str(file) + file.read_text()):
            problem(file.relative_to(out), "a macro is left in it")
    for line in problems:
        print(f"templates: {line}", file=sys.stderr)
    print(f"templates: {len(concrete)} expanded, {len(problems)} problems")
    sys.exit(1 if problems else 0)


main()
