"""Look at Hermitcrab in a real Neovim on a real Python repository: `python tests/editors/seen_neovim.py REPOSITORY`.

On a copy: a type error is seeded (a string method misspelt) and reported by basedpyright, which runs in Neovim beside
our server; *Fix* is taken from the code actions; the edit lands in the modified, unsaved buffer; one `u` takes it back.
Then a turn changes two files, and *Undo this turn* restores both. The model is scripted, from the repository's own
text. Every step is checked; the screens are printed.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from editors.nvim import Neovim, editor_path, what_is_missing

_NOT_THE_PROGRAM = {"docs", "doc", "examples", "tests", "test", "testing"}
_METHODS = {"join", "format", "split", "replace", "startswith", "endswith"}
_CHECKER = """
vim.lsp.config('basedpyright', {
  cmd = { COMMAND, '--stdio' },
  filetypes = { 'python' },
  root_markers = { '.git' },
  settings = { basedpyright = { analysis = { typeCheckingMode = 'standard', diagnosticMode = 'openFilesOnly' } } },
})
vim.lsp.enable('basedpyright')
"""


@dataclass(frozen=True, slots=True)
class Seed:
    """A misspelt string method in a file."""

    path: Path
    line: int  # 0-based
    column: int
    right: str
    wrong: str


def find_seed(root: Path) -> Seed:
    """Return the first place where a method of a string literal can be misspelt."""
    for path in sorted(root.rglob("*.py"), key=lambda found: (len(found.parts), found)):
        text = path.read_text(encoding="utf-8", errors="replace")
        outside = _NOT_THE_PROGRAM & set(path.relative_to(root).parts)
        if outside or not 40 < text.count("\n") < 2000:
            continue
        lines = text.split("\n")
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Attribute(value=ast.Constant(value=str()), attr=name) if name in _METHODS:
                    line = (node.end_lineno or 1) - 1
                    column = len(lines[line].encode()[: node.end_col_offset].decode()) - len(name)
                    return Seed(path, line, column, name, name[0] + name[2] + name[1] + name[3:])
                case _:
                    pass
    raise SystemExit("no file here calls a method of a string literal; try another repository")


def plant(seed: Seed) -> None:
    """Write the mistake to disk."""
    lines = seed.path.read_text(encoding="utf-8").split("\n")
    line = lines[seed.line]
    lines[seed.line] = line[: seed.column] + seed.wrong + line[seed.column + len(seed.right) :]
    seed.path.write_text("\n".join(lines), encoding="utf-8")


def second_file(root: Path, seed: Seed) -> tuple[Path, str]:
    """Return another file and a line that occurs once in it."""
    for path in sorted(root.rglob("*.py")):
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        once = [line for line in lines if len(line) > 20 and lines.count(line) == 1]
        unique = [line for line in once if "\n".join(lines).count(line) == 1]
        if path != seed.path and unique:
            return path, unique[0]
    raise SystemExit("this repository has one Python file only; try another")


def script(root: Path, seed: Seed, other: tuple[Path, str]) -> str:
    """Return what the model says: first the fix, then a change of two files."""
    name = seed.path.relative_to(root).as_posix()
    wrong = seed.path.read_text(encoding="utf-8").split("\n")[seed.line]
    right = wrong[: seed.column] + seed.right + wrong[seed.column + len(seed.wrong) :]
    other_name = other[0].relative_to(root).as_posix()

    def call(tool: str, **arguments: str) -> str:
        return f"call {tool} {json.dumps(arguments)}"

    words = f"`str` has no method `{seed.wrong}`; `{seed.right}` is meant."
    return "\n".join(
        [
            f"say {json.dumps(words)}",
            call("Read", file_path=name),
            "",
            call("Edit", file_path=name, old_string=wrong, new_string=right),
            "",
            "say Fixed.",
            "",
            call("Edit", file_path=name, old_string=wrong, new_string=right),
            call("Edit", file_path=other_name, old_string=other[1], new_string=other[1] + "  # seen"),
            "",
            'say "Two files are changed."',
            "",
        ]
    )


def show(editor: Neovim, title: str) -> None:
    """Print the screen."""
    shown = [line for line in editor.screen.keep("seen-" + title.split(maxsplit=1)[0]).split("\n") if line.strip(" ~│")]
    print(f"\n── {title} " + "─" * max(100 - len(title), 0))
    print("\n".join(shown))


def check(what: str, *, holds: bool) -> None:
    """Print what was looked at; stop when it does not hold."""
    print(f"   {'ok' if holds else 'WRONG'}: {what}")
    if not holds:
        raise SystemExit(1)


def look(root: Path, home: Path) -> None:
    """Take the way a person would."""
    seed = find_seed(root)
    plant(seed)
    name = seed.path.relative_to(root).as_posix()
    other, other_line = second_file(root, seed)
    before, other_before = seed.path.read_text(encoding="utf-8"), other.read_text(encoding="utf-8")
    home.mkdir()
    model = home / "script.txt"
    model.write_text(script(root, seed, (other, other_line)), encoding="utf-8")
    checker = shutil.which("basedpyright-langserver", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if checker is None:
        raise SystemExit("basedpyright-langserver is not installed")
    extra = _CHECKER.replace("COMMAND", json.dumps(checker))
    print(f"seeded in {name}:{seed.line + 1}: `{seed.right}` → `{seed.wrong}`")
    editor = Neovim(root, home, model=f"scripted:{model}", files=(name,), extra=extra)
    try:
        editor.wait_for_server()
        mine = "# typed by the user, not saved"
        editor.screen.keys("G", "o")
        editor.screen.type(mine)
        editor.screen.keys("Escape")
        typed = editor.text()
        editor.wait_for_problem(seed.wrong)
        editor.screen.type(f"{seed.line + 1}G{seed.column + 1}|zz")
        editor.screen.wait_for(seed.wrong)
        take_fix(editor, seed)
        fixed = before.split("\n")
        fixed[seed.line] = (
            fixed[seed.line][: seed.column] + seed.right + fixed[seed.line][seed.column + len(seed.wrong) :]
        )
        show(editor, "3 the edit has landed")
        check(
            "the edit is in the buffer, beside what the user typed",
            holds=editor.text() == typed.replace(before, "\n".join(fixed)),
        )
        check("the buffer is modified", holds=editor.is_modified())
        check("the file on disk is as it was", holds=seed.path.read_text(encoding="utf-8") == before)
        editor.screen.keys("u")
        editor.wait_until(f"vim.api.nvim_get_current_line():find({json.dumps(seed.wrong)}, 1, true) ~= nil")
        show(editor, "4 one u")
        check("one `u` took back the edit and nothing else", holds=editor.text() == typed)
        editor.screen.command("Hermitcrab send change two files")
        editor.wait_for_chat("Two files are changed")
        editor.wait_until_idle()
        show(editor, "5 two files are changed")
        check("the second file changed", holds=other.read_text(encoding="utf-8") != other_before)
        check("the first file changed", holds=editor.text() != typed)
        editor.screen.command("Hermitcrab undo")
        editor.screen.wait_for("undone in")
        editor.screen.wait_for("Undone in")
        show(editor, "6 undo this turn")
        check(
            "both files are as before the turn",
            holds=(editor.text(), other.read_text(encoding="utf-8")) == (typed, other_before),
        )
        check("what the user typed is there, still unsaved", holds=mine in editor.text() and editor.is_modified())
    finally:
        editor.close()


def take_fix(editor: Neovim, seed: Seed) -> None:
    """Choose *Fix with Hermitcrab* from Neovim's code actions."""
    show(editor, "1 the problem")
    editor.screen.keys("g", "r", "a")
    menu = editor.screen.wait_for("Fix with Hermitcrab")
    show(editor, "2 the code actions")
    line = next(line for line in menu.split("\n") if "Fix with Hermitcrab" in line)
    editor.screen.type(line.strip().split(":")[0])
    editor.screen.keys("Enter")
    editor.wait_until_idle()
    there = f"d.message:find({json.dumps(seed.wrong)}, 1, true)"
    editor.wait_until(f"not vim.iter(vim.diagnostic.get(0)):any(function(d) return {there} end)")


def main() -> int:
    """Copy the repository, look, and say what ran."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    if missing := what_is_missing():
        print(missing, file=sys.stderr)
        return 1
    version = subprocess.run([str(editor_path()), "--version"], capture_output=True, text=True, check=True).stdout
    print(version.split("\n")[0], "on a copy of", Path(sys.argv[1]).resolve().name)
    with tempfile.TemporaryDirectory(prefix="hermitcrab-seen-") as folder:
        root = Path(folder) / Path(sys.argv[1]).resolve().name
        ignored = shutil.ignore_patterns(".git", ".venv", "node_modules", "__pycache__")
        shutil.copytree(sys.argv[1], root, ignore=ignored, symlinks=True)
        (root / ".git").mkdir()
        look(root, Path(folder) / "home")
    print("\nall of it held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
