"""What the documentation says, held against the code: names, files, tables, examples and commands."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from inspect import getmembers, isclass, isfunction, signature
from pathlib import Path
from types import ModuleType

import pytest
from evenet_dhcp import SETTINGS as DHCP_SETTINGS

from evenet_core import formats
from evenet_core.cli.parser import build_parser
from evenet_core.hookspecs import EvenetSpec
from evenet_core.lab.reading import read_model
from evenet_core.model import facts as model_facts
from evenet_core.model.adapters import Adapter
from evenet_core.model.config import DeviceConfig
from evenet_core.node import Node
from evenet_core.plugins import Found, Plugins
from evenet_core.reconciler.facts import Facts
from evenet_core.reconciler.item import Item
from evenet_core.settings import Controller, NodeSettings, load_settings
from tests.support.docs import ROOT, Fence, Step, fences, pages, prose, steps

DOCS = ROOT / "docs"
PAGES = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages()]
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(
    r"(?<![\w./-])(?:evenet_core|plugins|tests|docs|examples|scripts|benchmarks|changelog\.d)/[\w./*-]+\w/?"
)


@dataclass(frozen=True)
class Row:
    """A row of a table, as cells of Markdown."""

    cells: tuple[str, ...]

    def codes(self, column: int) -> list[str]:
        return _CODE.findall(self.cells[column])


def table(page: str, *header: str) -> list[Row]:
    """Rows of all tables of a page that have this header."""
    rows, inside = [], False
    for line in prose(DOCS / page).splitlines():
        cells = tuple(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        if cells == header:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not set(line) <= set("|-: "):
            rows.append(Row(cells))
    assert rows, f"{page} has no table with the columns {', '.join(header)}"
    return rows


# -- pages, links, files ------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in _LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_page_can_be_reached_from_the_index() -> None:
    seen, queue = set(), [DOCS / "README.md"]
    while queue:
        page = queue.pop()
        seen.add(page)
        targets = [(page.parent / target.partition("#")[0]).resolve() for target in _LINK.findall(prose(page))]
        targets += [child for target in targets if target.is_dir() for child in target.glob("*.md")]
        queue += [target for target in targets if target.suffix == ".md" and target not in seen]

    assert set(DOCS.rglob("*.md")) - seen == set()


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {path.rstrip("/") for path in _PATH.findall(text)}

    assert sorted(path for path in named if not list(ROOT.glob(path))) == []


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_about_the_machine_that_it_was_written_on(page: Path) -> None:
    assert re.findall(r"/work\b|/root\b|/tmp/\w+", page.read_text(encoding="utf-8")) == []


# -- walks through the code ---------------------------------------------------------------------------


@cache
def definitions(file: Path) -> frozenset[str]:
    """Names of functions, classes, methods and constants."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return frozenset(found)


WALKS = [
    *table("architecture.md", "file", "names", "what happens"),
    *table("architecture.md", "file", "names", "what becomes of it"),
]


@pytest.mark.parametrize("row", WALKS, ids=lambda row: f"{row.codes(0)[0]} {row.cells[1]}")
def test_a_walk_names_what_stands_in_the_file(row: Row) -> None:
    [file] = row.codes(0)

    assert set(row.codes(1)) - definitions(ROOT / file) == set()


def test_rooms_are_those_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    wanted = [[room.strip().removeprefix("evenet_core.") for room in re.split(r"[|:]", layer)] for layer in layers]

    told = [row.codes(0) for row in table("architecture.md", "room", "subject")]

    assert [sorted(rooms) for rooms in told] == [sorted(rooms) for rooms in wanted]


# -- examples -----------------------------------------------------------------------------------------


def blocks(*languages: str) -> Iterator[Fence]:
    return (fence for page in pages() for fence in fences(page) if fence.language in languages)


@pytest.mark.parametrize("fence", list(blocks("yaml", "json", "ini")), ids=lambda fence: fence.place)
def test_a_block_is_what_it_says(fence: Fence, tmp_path: Path) -> None:
    """What stands after the language is the file that is shown, or what kind of text it is."""
    [_, what] = fence.words
    match what:
        case "settings":
            (tmp_path / "settings.yaml").write_text(fence.text)
            assert load_settings(tmp_path / "settings.yaml") != NodeSettings()
        case "fragment":
            rule(json.loads(fence.text))
        case _:
            assert fence.text == (ROOT / what).read_text()


def rule(fragment: dict[str, object]) -> None:
    """A fragment is an access rule of EVE: it makes a config that is good."""
    case = json.loads((ROOT / "tests/cases/static-ips/device-config.json").read_text())
    instance = {"uuidandversion": {"uuid": "00000000-0000-4000-8000-000000000001"}, "displayname": "ni", "instType": 2}
    instance |= {"activate": True, "port": {"name": "eth0"}, "ip": {"subnet": "10.50.0.0/24"}}
    interface = {"name": "i", "networkId": instance["uuidandversion"]["uuid"], "acls": [fragment]}  # type: ignore[index]
    app = {"uuidandversion": {"uuid": "00000000-0000-4000-8000-000000000002"}, "displayname": "app"}
    case |= {"networkInstances": [instance], "apps": [app | {"interfaces": [interface], "activate": True}]}
    document = formats.read(json.dumps(case).encode(), "case.json")
    assert document.config is not None
    [made] = document.config.apps[0].interfaces[0].rules
    assert (made.local_port, made.forward and made.forward.app_port) == (8080, 80)


@pytest.mark.parametrize("file", sorted((DOCS / "examples").iterdir()), ids=lambda file: file.name)
def test_an_example_is_good(file: Path) -> None:
    if file.suffix == ".service":
        return  # read by people and systemd; the page that shows it is compared with it
    if "site" in file.name:
        assert read_model(file).ports
    elif file.name != "mistakes.yaml":  # the page that speaks of it shows what is wrong with it
        document = formats.read_file(file)
        assert document.config is not None
        assert document.notices == ()


@pytest.mark.parametrize("fence", list(blocks("python")), ids=lambda fence: fence.place)
def test_python_says_what_there_is(fence: Fence) -> None:
    """Every name that is imported exists, and so does what is asked of a node."""
    for node in ast.walk(ast.parse(fence.text, mode="exec")):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                assert [name.name for name in names if not hasattr(import_module(module), name.name)] == []
            case ast.Attribute(value=ast.Name(id="node"), attr=attribute):
                assert hasattr(Node, attribute)


def test_the_plugin_that_is_shown_plans() -> None:
    [shown, driver, *_] = [f for f in blocks("python") if f.page.name == "write-a-plugin.md"]
    plugin = ModuleType("sat_terminal")
    for fence in (shown, driver):
        exec(compile(fence.text, fence.place, "exec", dont_inherit=True), plugin.__dict__)  # noqa: S102  our own page
    plugins = Plugins(found=[Found("sat-terminal", plugin)])
    adapter = Adapter(label="sat0", ifname="eth3", labels=frozenset({"satellite"}), table=503)

    answer = plugins.plan_addressing(adapter, Facts({}))

    assert (answer.plugin, answer.error) == ("sat-terminal", None)
    assert [item.kind for item in answer.items or ()] == ["address", "neighbour", "route"]
    assert plugins.plan_addressing(Adapter(label="eth0", ifname="eth0"), Facts({})).items is None
    assert [d.kinds for d in plugins.drivers(lambda name: None)] == [("sat-dish",)]  # type: ignore[arg-type,return-value]


# -- commands -----------------------------------------------------------------------------------------


def commands(words: tuple[str, ...] = (), parser: object = None) -> dict[str, set[str]]:
    """Every command of the parser, with its options."""
    parser = parser if parser is not None else build_parser()
    groups = [a for a in parser._actions if a.__class__.__name__ == "_SubParsersAction"]  # type: ignore[attr-defined]
    if groups:
        found: dict[str, set[str]] = {}
        for name, child in groups[0].choices.items():
            found |= commands((*words, name), child)
        return found
    actions = parser._actions  # type: ignore[attr-defined]
    options = {option for action in actions for option in action.option_strings if option.startswith("--")} - {"--help"}
    fixed = [action.choices for action in actions if action.dest == "action"]
    names = [(*words, choice) for choice in fixed[0]] if fixed else [words]
    return {" ".join(name): options for name in names}


def shown_commands() -> list[Step]:
    return [step for page in pages() for step in steps(page) if "evenet" in step.argv]


@pytest.mark.parametrize("step", shown_commands(), ids=lambda step: f"{step.fence.place} {step.command}")
def test_a_command_that_is_shown_can_be_parsed(step: Step) -> None:
    argv = step.argv
    while "evenet" in argv:
        argv = argv[argv.index("evenet") + 1 :]
        build_parser().parse_args(argv)


def test_the_reference_has_every_command_and_no_other() -> None:
    told: dict[str, set[str]] = {}
    for row in table("reference/cli.md", "command", "does"):
        words = row.codes(0)[0].split()
        name = " ".join(word for word in words if word.islower() and not word.startswith("-") and "|" not in word)
        name = next(known for known in sorted(commands(), key=len, reverse=True) if f"{name} ".startswith(f"{known} "))
        options = set(re.findall(r"--[a-z-]+", row.codes(0)[0])) | ({"--json"} & set(row.codes(1)))
        told.setdefault(name, set()).update(options)

    wanted = commands()
    json_for_the_whole_group = {"plugins", "events", "graph", "status"}
    assert told.keys() == wanted.keys()
    assert {n: o for n, o in told.items() if o != wanted[n] and n not in json_for_the_whole_group} == {}
    assert {n for n in json_for_the_whole_group if told[n] != wanted[n]} == set()


def test_what_is_said_not_to_exist_does_not() -> None:
    there = commands()
    missing = [code for row in table("reference/cli.md", "command", "will do") for code in row.codes(0)]

    for command in missing:
        words = re.sub(r"[A-Z]+", "", command).split()
        name = " ".join(word for word in words if not word.startswith("--"))
        options = {word for word in words if word.startswith("--")}
        assert name not in there or options - there[name], f"{command} exists by now: say so in reference/cli.md"


# -- references ---------------------------------------------------------------------------------------


def test_the_reference_of_the_config_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "gen_config_reference.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert fields(DeviceConfig)


def test_the_reference_of_settings_has_every_key() -> None:
    told = {row.codes(0)[0] for row in table("reference/settings.md", "key", "default", "meaning")}
    wanted = {field.name for field in fields(NodeSettings)} - {"controller", "plugins"} | {"plugins.NAME"}

    assert told == wanted | {f"controller.{field.name}" for field in fields(Controller)}


def test_the_reference_of_settings_has_those_of_plugins() -> None:
    rows = table("reference/settings.md", "plugin", "key", "default", "meaning")

    told = {row.codes(1)[0] for row in rows if row.codes(0) == ["dhcp"]}
    properties = DHCP_SETTINGS["properties"]
    assert isinstance(properties, dict)
    assert told == properties.keys()


def test_the_reference_of_hooks_has_every_hook_with_its_arguments() -> None:
    told = {
        row.codes(0)[0]: row.codes(1) for row in table("reference/hooks.md", "hook", "arguments", "answers", "asked")
    }
    hooks = {name: hook for name, hook in getmembers(EvenetSpec, isfunction) if name.startswith("evenet_")}

    assert told == {name: list(signature(hook).parameters)[1:] for name, hook in hooks.items()}


def test_the_reference_of_facts_has_every_fact() -> None:
    told = {
        row.codes(0)[0].partition(":")[0] for row in table("reference/facts.md", "fact", "value", "from", "read by")
    }
    makers = [function for name, function in getmembers(model_facts, isfunction) if name.endswith("_fact")]
    made = {make(*(["x"] * len(signature(make).parameters))).partition(":")[0] for make in makers}

    assert told == made | {"dhcp"}


def test_the_reference_of_items_has_every_item_and_its_driver() -> None:
    rows = table("reference/items.md", "kind", "items", "driver", "what it is", "how ours is known")
    items: dict[str, set[str]] = {}
    drivers: dict[str, str] = {}
    for file in sorted((ROOT / "evenet_core" / "linux").glob("*.py")):
        module = import_module(f"evenet_core.linux.{file.stem}")
        for _, found in getmembers(module, isclass):
            if found.__module__ != module.__name__:
                continue
            if issubclass(found, Item):
                items.setdefault(found.kind, set()).add(found.__name__)
            elif hasattr(found, "observe") and hasattr(found, "apply"):
                kinds: tuple[str, ...] = vars(found)["kinds"]
                drivers |= dict.fromkeys(kinds, f"evenet_core/linux/{file.name}")

    assert {row.codes(0)[0]: set(row.codes(1)) for row in rows} == items
    assert {row.codes(0)[0]: row.codes(2)[0] for row in rows} == drivers


def test_the_reference_of_the_status_tells_each_field_once() -> None:
    told = [row.codes(0)[0] for row in table("reference/status.md", "field", "type", "meaning")]

    assert len(told) == len(set(told))
