"""One parsed source file, as the rules see it, and the list of all of them."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Source:
    """A file's path from the repository's root, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, filename=self.path)

    @property
    def parts(self) -> tuple[str, ...]:
        """The path's folders and its name without the suffix."""
        return Path(self.path).with_suffix("").parts

    def is_under(self, *folders: str) -> bool:
        """Say whether the file lies in one of the folders (or is that file)."""
        return any(self.path == f or self.path.startswith(f.rstrip("/") + "/") for f in folders)

    def imports(self) -> Iterator[tuple[int, str]]:
        """Yield line and full name of each imported module or member, at any depth."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from ((node.lineno, f"{node.module}.{a.name}") for a in node.names)


@cache
def tracked() -> tuple[str, ...]:
    """Paths of all files that git knows, and of new ones that it would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(sorted(path for path in listed.splitlines() if (ROOT / path).is_file()))


@cache
def python_sources() -> tuple[Source, ...]:
    """Every Python file of src, tests and scripts."""
    found = [p for p in tracked() if p.endswith(".py") and p.split("/")[0] in CODE]
    return tuple(Source(path, (ROOT / path).read_text("utf-8")) for path in found)


CODE = ("src", "tests", "scripts")


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""
