import re

from tests.serving import CHECKOUT

PAGE = (CHECKOUT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")

TREE = re.search(r"```\n(sequential_resource_optimization\.py.*?)```", PAGE, re.DOTALL)

DOCSTRING = re.compile(r'"""[^"]*"""\n')

PACKAGES = ("optimizer", "server")

FOLDERS = (*PACKAGES, "examples")


def test_every_file_of_the_plan_exists() -> None:
    assert TREE is not None
    named = set(re.findall(r"\b\w+\.py\b", TREE[1]))
    there = {path.name for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*.py")}
    there |= {path.name for path in CHECKOUT.glob("*.py")}

    assert named - there == set()


def test_every_room_is_in_the_plan() -> None:
    assert TREE is not None
    rooms = {
        path.name
        for package in PACKAGES
        for path in (CHECKOUT / package).iterdir()
        if path.is_dir() and (path / "__init__.py").exists()
    }

    assert [room for room in sorted(rooms) if f"{room}/" not in TREE[1]] == []


def test_what_is_planned_is_not_there_yet() -> None:
    planned = re.search(r"\*\*Planned, not built yet\*\*(.*?)\n\n", PAGE, re.DOTALL)

    assert planned is not None
    paths = [CHECKOUT / "optimizer" / name for name in re.findall(r"`([\w/]+)`", planned[1])]
    assert [path for path in paths if path.with_suffix(".py").exists() or path.is_dir()] == []


def test_package_files_hold_a_docstring_only() -> None:
    """What a package exports would be imported by everybody who needs a part of it."""
    files = {path for package in PACKAGES for path in (CHECKOUT / package).rglob("__init__.py")}
    files.remove(CHECKOUT / "optimizer" / "store" / "migrations" / "__init__.py")  # their list

    longer = [path for path in files if not DOCSTRING.fullmatch(path.read_text(encoding="utf-8"))]

    assert longer == []
