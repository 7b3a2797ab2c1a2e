"""The rules of our style that no tool knows. Each yields (line, what is wrong)."""

import ast
import sys
from collections.abc import Callable, Iterator
from typing import TypeGuard

from tests.tidy.source import Source, dotted

Finding = tuple[int, str]
Rule = Callable[[Source], Iterator[Finding]]

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "data", "base2"}
RESERVED = ("service", "repository", "models", "rules", "ports", "types", "errors")
WAYS_IN = {"api", "console", "workers", "cli", "bootstrap", "kit", "db"}
PURE_BANS = ("sqlalchemy", "psycopg", "httpx", "aiohttp", "strongroom.db", "os", "time", "random")
MONEY = (
    "src/strongroom_protocol",
    "src/strongroom_signer/authority",
    "src/strongroom_signer/operations",
    *(f"src/strongroom/{room}" for room in (
        "ledger", "deposits", "withdrawals", "payments", "vaults", "policy", "wallets",
        "reconciliation", "relay",
    )),
)  # fmt: skip
COMMITS = ("src/strongroom/db", "src/strongroom_signer", "tests", "scripts")
CLOCKS = (
    "src/strongroom/kit/clock.py",
    "src/strongroom_signer/clock.py",
    "src/strongroom/cli/dev",
    "src/strongroom_client",
    "tests",
    "scripts",
)
# Put together here, so that this file does not contain what it forbids.
LEFT_OPEN = (
    "TO" + "DO",
    "FIX" + "ME",
    "NotImplemented" + "Error",
    "pytest.sk" + "ip",
    "xfai" + "l",
)
CLOCK_CALLS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now",
    "datetime.datetime.utcnow", "datetime.date.today", "time.time", "time.time_ns",
}  # fmt: skip
ALLOWED_IMPORTS = {
    "src/strongroom_verify": {"cryptography", "sha3", "strongroom_verify"},
    "src/strongroom_client": {"httpx", "eth_account", "eth_utils", "rfc8785", "strongroom_client"},
    "src/strongroom_protocol": {
        "rfc8785", "sha3", "coincurve", "cryptography", "strongroom_protocol",
    },
}  # fmt: skip


def file_is_short(source: Source) -> Iterator[Finding]:
    """A file has at most 400 lines."""
    count = source.text.count("\n")
    if count > FILE_LINES_MAX:
        yield 1, f"{count} lines; at most {FILE_LINES_MAX}: cut it where it has two subjects"


def function_is_short(source: Source) -> Iterator[Finding]:
    """A function has at most 70 lines."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = (node.end_lineno or node.lineno) - node.lineno + 1
            if count > FUNCTION_LINES_MAX:
                yield node.lineno, f"{node.name} has {count} lines; at most {FUNCTION_LINES_MAX}"


def name_says_something(source: Source) -> Iterator[Finding]:
    """No file and no folder is called utils, helpers, common, manager, data."""
    for part in source.parts:
        if part.strip("_") in VAGUE:
            yield 1, f"{part!r} says nothing: name it after what lives there"


def nothing_is_left_open(source: Source) -> Iterator[Finding]:
    """No note to do it later, no empty promise, no test that is not run."""
    for number, line in enumerate(source.text.splitlines(), 1):
        for mark in LEFT_OPEN:
            if mark in line:
                yield number, f"{mark}: do it, or write it down where people look"


def domain_imports_downward(source: Source) -> Iterator[Finding]:
    """Inside a domain: service → repository → models → rules → ports → types → errors."""
    room, rank = _domain_rank(source)
    if rank is None:
        return
    for line, name in source.imports():
        words = name.split(".")
        inside = words[:2] == ["strongroom", room] and len(words) > 2 and words[2] in RESERVED
        if inside and RESERVED.index(words[2]) < rank:
            yield line, f"{RESERVED[rank]} imports {words[2]}, which stands above it"


def rules_are_pure(source: Source) -> Iterator[Finding]:
    """A domain's rules.py neither asks nor tells anybody anything."""
    if len(source.parts) != 4 or source.parts[:2] != ("src", "strongroom"):
        return
    if source.parts[3] != "rules":
        return
    for line, name in source.imports():
        if any(name == ban or name.startswith(ban + ".") for ban in PURE_BANS):
            yield line, f"rules.py is pure; it imports {name}"


def money_is_no_float(source: Source) -> Iterator[Finding]:
    """No float where money is; seconds may be one, when the name says so."""
    if not source.is_under(*MONEY):
        return
    seconds = _seconds_nodes(source.tree)
    for node in ast.walk(source.tree):
        if id(node) in seconds:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node.lineno, f"float {node.value}: amounts are integers, seconds end in _seconds"
        elif isinstance(node, ast.Name) and node.id == "float":
            yield node.lineno, "float: amounts are integers, seconds end in _seconds"


def only_db_commits(source: Source) -> Iterator[Finding]:
    """A unit of work commits at its edge, in db/; services never do (WRITES, rule 1)."""
    if source.is_under(*COMMITS):
        return
    for node in ast.walk(source.tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr == "commit":
            yield called.lineno, "commit outside db/: the unit of work does it"


def time_is_passed_in(source: Source) -> Iterator[Finding]:
    """The wall clock is read in kit.clock (and the signer's) only."""
    if source.is_under(*CLOCKS):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and dotted(node.func) in CLOCK_CALLS:
            yield node.lineno, f"{dotted(node.func)}(): take a Clock, or the unit's `now`"


def checks_survive_optimisation(source: Source) -> Iterator[Finding]:
    """No `assert` for run-time checks: it vanishes under -O."""
    if source.is_under("tests"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assert):
            yield node.lineno, "assert: use kit.check, or raise an error of the room"


def independent_packages_import_little(source: Source) -> Iterator[Finding]:
    """The verifier, the client and the protocol use the standard library and a short list."""
    allowed = next((a for folder, a in ALLOWED_IMPORTS.items() if source.is_under(folder)), None)
    if allowed is None:
        return
    for line, name in source.imports():
        top = name.split(".")[0]
        if top not in sys.stdlib_module_names and top not in allowed:
            yield line, f"{top} is not on this package's list: {', '.join(sorted(allowed))}"


def yielding_dependency_commits_first(source: Source) -> Iterator[Finding]:
    """A FastAPI dependency that yields answers before it commits, unless scope="function"."""
    if not source.is_under("src/strongroom/api", "src/strongroom/console"):
        return
    yielding = {node.name for node in ast.walk(source.tree) if _is_generator(node)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] == "Depends":
            target = dotted(node.args[0]).split(".")[-1] if node.args else ""
            scoped = any(
                keyword.arg == "scope"
                and isinstance(keyword.value, ast.Constant)
                and keyword.value.value == "function"
                for keyword in node.keywords
            )
            if target in yielding and not scoped:
                yield node.lineno, f'Depends({target}) needs scope="function" (WRITES, rule 1)'


RULES: tuple[Rule, ...] = (
    file_is_short,
    function_is_short,
    name_says_something,
    nothing_is_left_open,
    domain_imports_downward,
    rules_are_pure,
    money_is_no_float,
    only_db_commits,
    time_is_passed_in,
    checks_survive_optimisation,
    independent_packages_import_little,
    yielding_dependency_commits_first,
)


def _domain_rank(source: Source) -> tuple[str, int | None]:
    parts = source.parts
    if len(parts) < 4 or parts[:2] != ("src", "strongroom") or parts[2] in WAYS_IN:
        return "", None
    return parts[2], RESERVED.index(parts[3]) if parts[3] in RESERVED else None


def _seconds_nodes(tree: ast.Module) -> set[int]:
    """Nodes that belong to a name ending in seconds: its annotation and its value."""
    owned = [part for node in ast.walk(tree) for part in _seconds_parts(node) if part is not None]
    return {id(inner) for part in owned for inner in ast.walk(part)}


def _seconds_parts(node: ast.AST) -> list[ast.expr | None]:
    match node:
        case ast.arg(arg=name, annotation=annotation) if _is_seconds(name):
            return [annotation]
        case ast.keyword(arg=str(name), value=value) if _is_seconds(name):
            return [value]
        case ast.AnnAssign(target=target) if _is_seconds(dotted(target)):
            return [node.annotation, node.value]
        case ast.Assign(targets=targets) if all(_is_seconds(dotted(t)) for t in targets):
            return [node.value]
        case ast.FunctionDef():
            return [*_seconds_defaults(node.args), node.returns if _is_seconds(node.name) else None]
        case _:
            return []


def _seconds_defaults(arguments: ast.arguments) -> list[ast.expr | None]:
    named = [*arguments.posonlyargs, *arguments.args][::-1]
    pairs = [*zip(named, arguments.defaults[::-1], strict=False)]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)  # type: ignore[arg-type]
    return [default for argument, default in pairs if _is_seconds(argument.arg)]


def _is_seconds(name: str) -> bool:
    return name.lower().endswith("seconds")


def _is_generator(node: ast.AST) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node))
