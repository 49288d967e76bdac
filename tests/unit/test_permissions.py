"""Decisions: which rule is behind each, and that nothing a folder brings ever widens one."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.core.errors import SettingsError
from hermitcrab.permissions.access import Access, AccessKind
from hermitcrab.permissions.decide import Decision, Grant, Mode, Policy, decide
from hermitcrab.permissions.names import folds_case, is_inside
from hermitcrab.permissions.rules import TOOLS, USER_SCOPES, Rule, Scope, Verdict, parse_rule

ROOT = Path("/home/me/project")
WIDTH: dict[Verdict, int] = {"deny": 0, "ask": 1, "allow": 2}


def edit(*paths: str, tool: str = "Edit") -> Access:
    return Access(tool, "edit", "Edit", "…", tuple(ROOT / path for path in paths))


def read(*paths: str, tool: str = "Read") -> Access:
    return Access(tool, "read", "Read", "…", tuple(ROOT / path for path in paths))


def command(line: str) -> Access:
    return Access("Bash", "execute", "Run", line, command=line)


FETCH = Access("WebFetch", "network", "Fetch", "https://example.com")
TODO = Access("Todo", "none", "Tasks", "")


def policy(*rules: str, mode: Mode = "default", trusted: bool = True, reviewer: bool = True, **more: object) -> Policy:
    parsed = tuple(parse_rule(rule, "user", "settings.toml:1") for rule in rules)
    made = Policy(mode=mode, root=ROOT, rules=parsed, trusted=trusted, has_reviewer=reviewer)
    return replace(made, **more)  # type: ignore[arg-type]


# The table of SURFACE and DESIGN, row by row.
@pytest.mark.parametrize(
    ("mode", "access", "verdict"),
    [
        ("default", TODO, "allow"),
        ("default", read("a.py"), "allow"),
        ("default", read(), "allow"),
        ("default", read("/etc/passwd"), "ask"),
        ("default", read("../other/a.py"), "ask"),
        ("default", edit("a.py"), "allow"),
        ("default", edit("new/b.py", tool="Write"), "allow"),
        ("default", edit("/tmp/a.py"), "ask"),
        ("default", edit("a.py", "/tmp/a.py"), "ask"),
        ("default", edit(), "ask"),
        ("default", command("ls"), "ask"),
        ("default", FETCH, "ask"),
        ("acceptEdits", edit("a.py"), "allow"),
        ("acceptEdits", edit("/tmp/a.py"), "ask"),
        ("acceptEdits", command("ls"), "ask"),
        ("acceptEdits", FETCH, "ask"),
        ("plan", TODO, "allow"),
        ("plan", read("a.py"), "allow"),
        ("plan", read("/etc/passwd"), "ask"),
        ("plan", edit("a.py"), "deny"),
        ("plan", command("ls"), "deny"),
        ("plan", FETCH, "ask"),
        ("bypass", edit("/tmp/a.py"), "allow"),
        ("bypass", read("/etc/passwd"), "allow"),
        ("bypass", command("ls"), "allow"),
        ("bypass", FETCH, "allow"),
        ("bypass", edit(".vscode/settings.json"), "ask"),
        ("bypass", edit(".git/hooks/pre-commit"), "ask"),
    ],
)
def test_what_each_mode_does(mode: Mode, access: Access, verdict: Verdict) -> None:
    assert decide(access, policy(mode=mode)).verdict == verdict


def test_an_edit_nobody_can_review_asks() -> None:
    assert decide(edit("a.py"), policy(reviewer=False)).verdict == "ask"
    assert decide(edit("a.py"), policy(reviewer=False, mode="acceptEdits")).verdict == "allow"


def test_the_setting_edits_makes_every_edit_ask() -> None:
    decision = decide(edit("a.py"), policy(asks_edits=True))
    assert decision == Decision("ask", '`edits = "ask"` in the settings')


def test_deny_stands_above_all() -> None:
    for mode in get_args(Mode):
        denied = decide(command("ls"), policy("allow Bash", "ask Bash", "deny Bash", mode=mode, trusted=False))
        assert denied == Decision("deny", "`deny Bash` in user settings (settings.toml:1)")


def test_ask_stands_above_allow_whatever_their_order() -> None:
    assert decide(FETCH, policy("allow WebFetch", "ask WebFetch")).verdict == "ask"
    assert decide(FETCH, policy("ask WebFetch", "allow WebFetch")).verdict == "ask"
    assert decide(FETCH, policy("allow WebFetch")).verdict == "allow"


def test_ask_stands_above_bypass() -> None:
    assert decide(command("ls"), policy("ask Bash", mode="bypass")).verdict == "ask"


def test_an_allow_rule_reaches_neither_protected_names_nor_plan_mode() -> None:
    assert decide(edit(".env"), policy("allow Edit")).is_protected
    assert decide(edit("a.py"), policy("allow Edit", mode="plan")).verdict == "deny"


def test_a_rule_for_edit_speaks_of_every_tool_that_edits() -> None:
    for tool in ("Edit", "MultiEdit", "Write", "NotebookEdit", "Rename"):
        assert decide(edit("a.py", tool=tool), policy("deny Edit")).verdict == "deny"
    assert decide(edit("a.py", tool="Edit"), policy("deny Write")).verdict == "allow"
    assert decide(read("a.py", tool="Grep"), policy("deny Read")).verdict == "deny"


# Trust.


def test_in_an_untrusted_folder_a_command_offers_trust_and_nothing_else() -> None:
    for rules in ((), ("allow Bash",)):
        for mode in ("default", "acceptEdits", "bypass"):
            grants = frozenset({Grant("Bash", "ls")})
            decision = decide(command("ls"), policy(*rules, mode=mode, trusted=False, grants=grants))
            assert (decision.verdict, decision.needs_trust) == ("ask", True)
            assert "not trusted" in decision.reason


def test_an_untrusted_folder_can_be_read_and_edited_reviewably() -> None:
    assert decide(edit("a.py"), policy(trusted=False)).verdict == "allow"
    assert decide(read("a.py"), policy(trusted=False)).verdict == "allow"


def test_after_trust_a_command_asks_as_the_mode_says() -> None:
    assert decide(command("ls"), policy()) == Decision("ask", "the mode `default` asks before it runs a command")


# Grants.


def test_a_grant_for_a_command_is_for_that_very_command() -> None:
    granted = policy(grants=frozenset({Grant("Bash", "make test")}))
    assert decide(command("make test"), granted).verdict == "allow"
    assert decide(command("make test; rm -rf /"), granted).verdict == "ask"
    assert decide(command("make  test"), granted).verdict == "ask"


def test_a_grant_for_edits_ends_at_the_root_and_at_protected_names() -> None:
    granted = policy("ask Edit", reviewer=False, grants=frozenset({Grant("Edit")}))
    assert decide(edit("a.py"), granted).verdict == "allow"
    assert decide(edit("/etc/hosts"), granted).verdict == "ask"
    assert decide(edit(".bashrc"), granted).verdict == "ask"
    assert decide(edit("a.py", tool="Write"), granted).verdict == "ask"
    assert decide(edit("a.py"), replace(granted, mode="plan")).verdict == "deny"


def test_what_a_session_spilt_may_be_read_but_not_written() -> None:
    spilt = policy(readable=(Path("/state/spill/ses_1"),), reviewer=True)
    assert decide(read("/state/spill/ses_1/out.txt"), spilt).verdict == "allow"
    assert decide(read("/state/spill/ses_2/out.txt"), spilt).verdict == "ask"
    assert decide(edit("/state/spill/ses_1/out.txt"), spilt).verdict == "ask"


# Project rules.


@pytest.mark.parametrize("scope", ["local", "project", "workspace"])
@pytest.mark.parametrize("trusted", [True, False])
def test_a_folder_can_deny_and_ask_but_never_allow(scope: Scope, trusted: bool) -> None:
    def judged(verdict: Verdict) -> Verdict:
        rules = (Rule(verdict, "WebFetch", scope),)
        return decide(FETCH, replace(policy(trusted=trusted), rules=rules)).verdict

    assert (judged("deny"), judged("ask"), judged("allow")) == ("deny", "ask", "ask")


# Rules as they are written.


@pytest.mark.parametrize("text", ["allow Edit", "  ask   Bash ", "deny WebFetch", "deny mcp__server__tool"])
def test_a_rule_is_a_verdict_and_a_tool(text: str) -> None:
    rule = parse_rule(text, "user", "f:1")
    assert f"{rule.verdict} {rule.tool}" == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a rule"),
        ("allow", "is not a rule"),
        ("Edit", "is not a rule"),
        ("permit Edit", "is not a rule"),
        ("allow Edit Bash", "is not a rule"),
        ("allow *", "is not a rule"),
        ("deny Bash(rm *)", "parts of a tool are not known yet"),
        ("deny Bahs", "there is no tool `Bahs`; did you mean `Bash`"),
        ("deny bash", "there is no tool `bash`; did you mean `Bash`"),
        ("Deny Bash", "is not a rule"),
        ("deny Bash\ndeny Edit", "is not a rule"),
    ],
)
def test_a_rule_that_cannot_be_understood_is_an_error_with_its_place(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_rule(text, "user", "settings.toml:7")
    assert message in str(caught.value)
    assert str(caught.value).startswith("settings.toml:7: ")


# Properties over all rules, modes and calls.

PATHS = st.sampled_from(
    [
        "a.py",
        "src/b.py",
        ".git/config",
        ".vscode/x",
        ".env",
        "/etc/passwd",
        "../other/c",
        "sub/.hermitcrab/settings.toml",
    ]
).map(lambda path: ROOT / path)
ACCESSES = st.builds(
    Access,
    tool=st.sampled_from(sorted(TOOLS)),
    kind=st.sampled_from(get_args(AccessKind)),
    title=st.just(""),
    detail=st.just(""),
    paths=st.lists(PATHS, max_size=3).map(tuple),
    command=st.sampled_from([None, "ls", "make"]),
)
RULES = st.builds(
    Rule,
    verdict=st.sampled_from(get_args(Verdict)),
    tool=st.sampled_from(["Edit", "Read", "Bash", "Write", "WebFetch"]),
    scope=st.sampled_from(get_args(Scope)),
)
POLICIES = st.builds(
    Policy,
    mode=st.sampled_from(get_args(Mode)),
    root=st.just(ROOT),
    rules=st.lists(RULES, max_size=5).map(tuple),
    trusted=st.booleans(),
    has_reviewer=st.booleans(),
    asks_edits=st.booleans(),
    grants=st.frozensets(
        st.builds(Grant, st.sampled_from(["Edit", "Bash"]), st.sampled_from([None, "ls"])), max_size=2
    ),
)


def no_wider(after: Decision, before: Decision) -> bool:
    return WIDTH[after.verdict] <= WIDTH[before.verdict]


@given(ACCESSES, POLICIES, RULES, st.integers(0, 5))
def test_adding_a_deny_or_ask_never_widens(access: Access, before: Policy, rule: Rule, at: int) -> None:
    rule = replace(rule, verdict="ask" if rule.verdict == "allow" else rule.verdict)
    after = replace(before, rules=(*before.rules[:at], rule, *before.rules[at:]))
    assert no_wider(decide(access, after), decide(access, before))


@given(ACCESSES, POLICIES, st.lists(RULES.filter(lambda rule: rule.scope not in USER_SCOPES)), st.integers(0, 5))
def test_nothing_a_folder_writes_widens(access: Access, before: Policy, brought: list[Rule], at: int) -> None:
    after = replace(before, rules=(*before.rules[:at], *brought, *before.rules[at:]))
    assert no_wider(decide(access, after), decide(access, before))


@given(ACCESSES, POLICIES)
def test_the_order_of_rules_does_not_matter(access: Access, one: Policy) -> None:
    other = replace(one, rules=tuple(reversed(one.rules)))
    assert decide(access, one).verdict == decide(access, other).verdict


@given(ACCESSES, POLICIES)
def test_nothing_runs_in_an_untrusted_folder(access: Access, one: Policy) -> None:
    decision = decide(replace(access, kind="execute"), replace(one, trusted=False))
    assert decision.verdict == "deny" or decision.needs_trust


@given(ACCESSES, POLICIES, st.sampled_from([".git/config", ".vscode/x", ".env", "sub/.hermitcrab/settings.toml"]))
def test_protected_names_are_never_written_unasked(access: Access, one: Policy, name: str) -> None:
    decision = decide(replace(access, kind="edit", paths=(*access.paths, ROOT / name)), one)
    assert decision.verdict == "deny" or decision.is_protected


@given(ACCESSES, POLICIES, PATHS)
def test_one_more_path_never_widens(access: Access, one: Policy, path: Path) -> None:
    fewer = replace(access, paths=access.paths or (ROOT / "a.py",))
    more = replace(fewer, paths=(*fewer.paths, path))
    assert no_wider(decide(more, one), decide(fewer, one))


@given(ACCESSES, POLICIES)
def test_every_decision_names_its_reason(access: Access, one: Policy) -> None:
    assert decide(access, one).reason


# Spelling.


def respelled(path: Path, how: list[int]) -> Path:
    """Write the same path with detours."""
    parts: list[str] = []
    for number, part in enumerate(path.parts[1:]):
        detour = ([], ["."], ["x", ".."], ["..", *path.parts[number : number + 1]])[how[number % len(how)]]
        parts += detour if number or detour != ["..", "/"] else []
        parts.append(part)
    return Path("/" + "/".join(parts))


@given(ACCESSES, POLICIES, st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_detours_in_a_path_change_nothing(access: Access, one: Policy, how: list[int]) -> None:
    other = replace(access, paths=tuple(respelled(path, how) for path in access.paths))
    assert decide(other, one).verdict == decide(access, one).verdict


@given(ACCESSES, POLICIES)
def test_where_the_file_system_folds_case_the_spelling_changes_nothing(access: Access, one: Policy) -> None:
    one = replace(one, folds_case=True)
    loud = replace(access, paths=tuple(Path(str(path).upper()) for path in access.paths))
    assert decide(loud, one).verdict == decide(access, one).verdict


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/home/me/project", True),
        ("/home/me/project/a", True),
        ("/home/me/project/../project/a", True),
        ("/home/me/project-evil/a", False),  # CVE-2025-54794: a prefix of the text is not a folder
        ("/home/me/project/../other", False),
        ("/home/me", False),
        ("a.py", False),
        ("/HOME/me/project/a", False),
    ],
)
def test_inside_is_told_part_by_part(path: str, inside: bool) -> None:
    assert is_inside(Path(path), ROOT) is inside


def test_whether_this_file_system_folds_case(tmp_path: Path) -> None:
    (tmp_path / "Name").mkdir()
    assert folds_case(tmp_path / "Name") is (tmp_path / "nAME").exists()


def test_a_decision_takes_far_less_than_five_milliseconds() -> None:
    many = policy(*["ask WebFetch", "allow Bash", "deny WebSearch"] * 50)
    access = edit(*(f"folder{n}/sub/file{n}.py" for n in range(20)))
    decide(access, many)
    began = time.process_time()
    for _ in range(50):
        decide(access, many)
    assert (time.process_time() - began) / 50 < 0.005


def test_rules_know_the_name_of_every_tool_there_is() -> None:
    import importlib
    import pkgutil

    import hermitcrab.tools
    from hermitcrab.tools.base import Tool

    for module in pkgutil.iter_modules(hermitcrab.tools.__path__):
        importlib.import_module(f"hermitcrab.tools.{module.name}")
    names = {
        cls.name for cls in Tool.__subclasses__() if hasattr(cls, "name") and cls.__module__.startswith("hermitcrab.")
    }
    assert names <= TOOLS
