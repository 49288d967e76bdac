"""What each source says of a text, how it is merged, and how it is told."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from hermitcrab.core.edits import TextId, text_hash
from hermitcrab.core.ports import ClientProfile, Diagnostic, Shown, SuggestedFix
from hermitcrab.diagnostics import ruff, syntax_check
from hermitcrab.diagnostics.collect import Collector
from hermitcrab.diagnostics.merge import merged
from hermitcrab.diagnostics.report import render
from hermitcrab.diagnostics.values import DiagnosticSet, SourceReport
from hermitcrab.workspace.view import Source


def source(text: str, path: Path | str = "/nowhere/a.py", *, version: int | None = None, saved: bool = True) -> Source:
    return Source(Path(path), text, TextId(text_hash(text), version), is_open=version is not None, is_saved=saved)


async def collect(text: str, path: Path | str = "/nowhere/a.py", **options) -> DiagnosticSet:
    trusted = options.pop("trusted", False)
    editor = options.pop("editor", None)
    return await Collector().collect(source(text, path, **options), editor=editor, is_trusted=trusted)


def told(found: DiagnosticSet) -> list[tuple[str, str]]:
    return [(item.code, item.message) for item in found.items]


def states(found: DiagnosticSet) -> dict[str, str]:
    return {report.name: report.state for report in found.reports}


async def test_columns_count_code_points_also_behind_an_emoji():
    text = 'x = "😀😀"; undefined\n'
    (item,) = (await collect(text, version=7)).items
    assert text[item.column : item.end_column] == "undefined"
    assert (item.line, item.code, item.severity, item.version) == (0, "F821", "error", 7)


async def test_a_suggested_fix_is_placed_in_code_points_too():
    text = 'x = "😀"; y = f"😀"\n'
    (item,) = (await collect(text)).items
    assert item.fix is not None
    (line, column, last, end, new), *_ = item.fix.edits
    assert (line, last, text[column:end], new) == (0, 0, 'f"😀"', '"😀"')


async def test_the_buffer_is_checked_not_the_disk(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("import os\n", "utf-8")
    found = await collect("x = undefined\n", path, version=3, saved=False)
    assert told(found) == [("F821", "Undefined name `undefined`")]
    assert path.read_text("utf-8") == "import os\n"


async def test_an_untrusted_folders_configuration_has_no_say(tmp_path):
    (tmp_path / "ruff.toml").write_text('[lint]\nselect = ["D"]\nignore = ["F"]\n', "utf-8")
    text = "import os\n"
    assert [code for code, _ in told(await collect(text, tmp_path / "a.py"))] == ["F401"]
    assert [code for code, _ in told(await collect(text, tmp_path / "a.py", trusted=True))] == ["D100"]


async def test_a_trusted_folder_without_configuration_gets_our_rules(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nrequires-python = ">=3.11"\n', "utf-8")
    assert [code for code, _ in told(await collect("import os\n", tmp_path / "a.py", trusted=True))] == ["F401"]


async def test_broken_configuration_is_a_failure_of_that_source_alone(tmp_path):
    (tmp_path / "ruff.toml").write_text("select = [[[\n", "utf-8")
    found = await collect("x = (\n", tmp_path / "a.py", trusted=True)
    assert (states(found)["ruff"], states(found)["syntax"]) == ("failed", "ok")
    assert [item.source for item in found.items] == ["syntax"]


async def test_a_syntax_error_is_told_once_with_its_repair():
    (item,) = (await collect("def f(x:\n    return 1\n")).items
    assert (item.message, item.source) == ("`(` was never closed", "syntax")
    assert item.fix == SuggestedFix("Insert missing `)`", ((0, 7, 0, 7, ")"),), is_safe=True)


async def test_other_languages_have_the_syntax_check():
    found = await collect("int main() {\n  int x = 3\n  return x;\n}\n", "/nowhere/a.c")
    assert [(item.line, item.message) for item in found.items] == [(1, "Missing `;`")]
    assert (states(found)["ruff"], states(found)["syntax"]) == ("unavailable", "ok")
    assert states(await collect("hello", "/nowhere/a.txt"))["syntax"] == "unavailable"


async def test_large_texts_go_to_a_worker_process(monkeypatch):
    asked = []
    in_worker = syntax_check._in_worker

    async def watched(*args):
        asked.append(args)
        return await in_worker(*args)

    monkeypatch.setattr(syntax_check, "_in_worker", watched)
    text = "value = [1, 2]\n" * 10_000 + "x = f(1\n"
    found = await collect(text)
    assert len(asked) == 1
    assert [(item.line, item.message) for item in found.items] == [(10_000, "`(` was never closed")]


async def test_a_text_no_checker_should_be_given_is_unknown():
    found = await collect("x" * (syntax_check.LARGEST + 1))
    assert (states(found)["syntax"], states(found)["ruff"]) == ("unknown", "unknown")


async def test_lone_surrogates_and_zero_bytes_are_survived():
    for text in ("x = '\ud800'\ny = undefined\n", "x = 1\0\n", "\ufeffx = undefined\n"):
        assert states(await collect(text))["syntax"] == "ok"


class FakeEditor:
    """An editor that shows what it is told, one list a question."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.asked = 0

    @property
    def profile(self) -> ClientProfile:
        return ClientProfile("fake")

    async def apply_edit(self, edit):
        raise NotImplementedError

    async def save(self, path):
        raise NotImplementedError

    async def diagnostics(self, path):
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def problem(message: str, *, version: int | None = None, line: int = 0, **fields) -> Diagnostic:
    values = {"severity": "error", "source": "pylsp", "column": 0, "end_column": 1, "end_line": line, **fields}
    return Diagnostic(path=Path("/nowhere/a.py"), line=line, message=message, version=version, **values)


def shown(version: int | None, *items: Diagnostic) -> Shown:
    return Shown(version, items)


async def test_an_empty_set_of_this_version_counts_too():
    found = await collect("x = 1\n", version=4, editor=FakeEditor(shown(4)))
    assert (found.items, states(found)["editor"]) == ((), "ok")


async def test_the_editors_diagnostics_count_when_they_are_of_this_version():
    found = await collect("x = 1\n", version=4, editor=FakeEditor(shown(4, problem("mine", version=4))))
    assert told(found) == [("", "mine")]
    assert states(found)["editor"] == "ok"


@pytest.mark.parametrize(
    "said", [shown(3, problem("stale", version=3)), shown(None, problem("who knows")), shown(None)]
)
async def test_others_are_unknown_and_never_shown(said):
    found = await collect("x = 1\n", version=4, editor=FakeEditor(said))
    assert (found.items, states(found)["editor"]) == ((), "unknown")


async def test_the_editor_is_waited_for_while_it_still_speaks_of_the_version_before():
    editor = FakeEditor(shown(3, problem("old", version=3)), shown(4, problem("new", version=4)))
    found = await collect("x = 1\n", version=4, editor=editor)
    assert (told(found), editor.asked) == ([("", "new")], 2)


async def test_an_editor_that_cannot_say_is_unavailable():
    found = await collect("x = 1\n", version=4, editor=FakeEditor(None))
    assert states(found)["editor"] == "unavailable"


async def test_what_the_request_brought_counts_when_it_is_of_this_version():
    context = (problem("current", version=4), problem("stale", version=2))
    found = await Collector().collect(source("x = 1\n", version=4), editor=None, is_trusted=False, context=context)
    assert told(found) == [("", "current")]


@pytest.mark.slow
async def test_the_type_checker_answers_for_saved_text_in_trusted_folders_that_configure_it(tmp_path):
    path = tmp_path / "a.py"
    text = 'x = "😀"; y: int = "a"\n'
    path.write_text(text, "utf-8")
    assert states(await collect(text, path, trusted=True))["basedpyright"] == "unavailable"
    (tmp_path / "pyrightconfig.json").write_text("{}", "utf-8")
    assert states(await collect(text, path))["basedpyright"] == "unavailable"
    assert states(await collect(text, path, trusted=True, version=2, saved=False))["basedpyright"] == "unknown"
    found = await collect(text, path, trusted=True)
    assert states(found)["basedpyright"] == "ok"
    (item,) = [item for item in found.items if item.code == "reportAssignmentType"]
    assert text[item.column : item.end_column] == '"a"'


async def test_pure_answers_are_remembered_for_the_same_text_and_restamped(monkeypatch):
    calls = []
    check = ruff.check

    async def counted(*args, **options):
        calls.append(args)
        return await check(*args, **options)

    monkeypatch.setattr(ruff, "check", counted)
    collector = Collector(remembered=2)
    for version in (1, 2):
        found = await collector.collect(source("import os\n", version=version), editor=None, is_trusted=False)
        assert [item.version for item in found.items] == [version]
    assert len(calls) == 1
    for number in range(3):
        await collector.collect(source(f"x = {number}\n"), editor=None, is_trusted=False)
    assert len(collector._answers) <= 2


async def test_a_checker_that_hangs_is_cut_and_reported(tmp_path, monkeypatch):
    slow = tmp_path / "slow"
    slow.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(30)\n", "utf-8")
    slow.chmod(0o755)
    monkeypatch.setattr(ruff, "find", lambda: str(slow))
    found = await Collector().collect(source("x = 1\n"), editor=None, is_trusted=False, timeout=0.3)
    (report,) = [report for report in found.reports if report.name == "ruff"]
    assert report == SourceReport("ruff", "failed", "it did not finish within 0.3 s")


@pytest.mark.parametrize("output", ["not json", "{}", '[{"code": 1}]', "[" * 5000])
async def test_a_checker_that_talks_nonsense_is_reported(tmp_path, monkeypatch, output):
    odd = tmp_path / "odd"
    odd.write_text(f"#!{sys.executable}\nprint({output!r})\n", "utf-8")
    odd.chmod(0o755)
    monkeypatch.setattr(ruff, "find", lambda: str(odd))
    assert states(await collect("x = 1\n"))["ruff"] == "failed"


def test_one_problem_told_twice_is_one_problem():
    ours = problem("Undefined name `x`", code="F821", source="ruff", column=4, end_column=5)
    theirs = problem(
        '"x" is not defined', code="reportUndefinedVariable", source="basedpyright", column=4, end_column=5
    )
    other = problem("Undefined name `y`", code="F821", source="ruff", column=8, end_column=9)
    assert merged([other, ours, theirs]) == (ours, other)


def test_the_strictest_severity_and_the_only_fix_survive():
    fix = SuggestedFix("Remove it", ((0, 0, 1, 0, ""),))
    one = problem("`os` imported but unused", source="ruff", severity="warning")
    two = problem("Import 'os' is not accessed", source="pylsp", severity="error", fix=fix)
    assert merged([one, two]) == (dataclasses.replace(one, severity="error", fix=fix),)


def test_two_problems_of_one_source_on_one_place_stay_two():
    both = (problem("`a` is odd", column=0), problem("`a` is even", column=0))
    assert set(merged(both)) == set(both)


def test_a_report_in_full():
    fix = SuggestedFix("Remove unused import: `os`", ((0, 0, 1, 0, ""),))
    found = DiagnosticSet(
        (
            problem("`os` imported\nbut \x1b[31munused", code="F401", source="ruff", column=7, end_column=9, fix=fix),
            problem("odd", line=2, severity="hint", source=""),
        ),
        3,
        (SourceReport("syntax", "ok"), SourceReport("editor", "unknown", "not of this version")),
    )
    assert render(found, "a.py").split("\n") == [
        "a.py (version 3): 2 problems",
        "1:8-1:10 error F401 [ruff] `os` imported but [31munused",
        "  fix: Remove unused import: `os`",
        '    [[1,1,2,1,""]]',
        "3:1-3:2 hint - [-] odd",
        "sources: syntax ok; editor unknown (not of this version)",
    ]


def test_silence_is_not_called_health():
    silent = DiagnosticSet(
        (), None, (SourceReport("syntax", "unavailable"), SourceReport("ruff", "failed", "it broke"))
    )
    assert render(silent, "a").startswith("a (saved text): unknown: no source could check this text")
    partly = DiagnosticSet((), None, (SourceReport("syntax", "ok"), SourceReport("editor", "unknown", "late")))
    assert render(partly, "a").startswith("a (saved text): no problems from syntax; unknown: editor")


def test_a_flood_is_cut_and_counted():
    found = DiagnosticSet(tuple(problem("x", line=n) for n in range(500)), None, ())
    assert "… and 300 more" in render(found, "a.py").split("\n")
