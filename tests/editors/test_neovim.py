"""Neovim, for real: our plugin in it, the real server behind it, a person's keys in front."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from editors.conftest import OpenNeovim
from editors.nvim import HERE, editor_path

pytestmark = [pytest.mark.editor("neovim"), pytest.mark.timeout(120)]

CASES = HERE / "neovim" / "cases.lua"
NAMES = [
    line.split("M.", 1)[1].split("(")[0] for line in CASES.read_text().splitlines() if line.startswith("function M.")
]

GREET = """\
# 蟹 and 🦀 live here
def greet(name: str) -> str:
    crab = "🦀 蟹"; return f"{crab} {nmae}"
"""
FIXED = GREET.replace("nmae", "name")
FIX = """\
say "I will look at the file first."
call Read file_path=greet.py

call Edit file_path=greet.py old_string="{nmae}" new_string="{name}"

say "The name was misspelt: `nmae` is `name`."
"""


@pytest.mark.parametrize("case", NAMES)
def test_plugin(neovim_path: Path, case: str, tmp_path: Path) -> None:
    """One case of cases.lua: the plugin alone, against a server on strings."""
    done = subprocess.run(
        [str(neovim_path), "--clean", "-l", str(HERE / "neovim" / "run.lua"), sys.executable, case],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_versions_are_told(neovim_path: Path) -> None:
    """What these tests ran on stands in the output."""
    version = subprocess.run([str(editor_path()), "--version"], capture_output=True, text=True, check=True).stdout
    print(version.splitlines()[0])
    assert version.startswith("NVIM v0.")


def test_fix_lands_in_the_unsaved_buffer_and_one_u_takes_it_back(neovim: OpenNeovim, project: Path) -> None:
    (project / "greet.py").write_text(GREET)
    editor = neovim(FIX, "greet.py")
    editor.wait_for_problem("nmae")
    editor.screen.keys("G", "o")
    editor.screen.type("# mine, not saved")
    editor.screen.keys("Escape")
    editor.screen.type("3G$F{")
    editor.screen.keys("l")
    editor.wait_for_problem("nmae")
    editor.screen.keep("fix-1-problem")
    editor.screen.keys("g", "r", "a")
    menu = editor.screen.wait_for("Fix with Hermitcrab")
    editor.screen.keep("fix-2-menu")
    choice = next(line for line in menu.splitlines() if "Fix with Hermitcrab" in line).strip()[0]
    editor.screen.type(choice)
    editor.screen.keys("Enter")
    editor.wait_until_idle()
    assert editor.text() == FIXED + "    # mine, not saved\n"
    assert editor.is_modified()
    assert (project / "greet.py").read_text() == GREET
    editor.wait_until("#vim.diagnostic.get(0) == 0")
    editor.screen.keep("fix-3-fixed")
    editor.screen.keys("u")
    editor.wait_until("not vim.api.nvim_buf_get_lines(0, 2, 3, false)[1]:find('{name}', 1, true)")
    assert editor.text() == GREET + "    # mine, not saved\n"
    editor.screen.keep("fix-4-undone")


def test_a_clean_file_is_saved_by_the_editor(neovim: OpenNeovim, project: Path) -> None:
    (project / "greet.py").write_text(GREET)
    editor = neovim(FIX, "greet.py")
    editor.wait_for_problem("nmae")
    editor.screen.type("3G$F{l")
    editor.screen.command("Hermitcrab fix")
    editor.wait_until_idle()
    assert editor.text() == FIXED
    assert (project / "greet.py").read_text() == FIXED
    assert not editor.is_modified()
    editor.screen.keys("u")
    editor.wait_until("vim.bo.modified")
    assert editor.text() == GREET


def test_without_a_model_the_rules_fix_a_misspelt_name(neovim: OpenNeovim, project: Path) -> None:
    (project / "greet.py").write_text(GREET)
    editor = neovim(None, "greet.py")
    editor.wait_for_problem("nmae")
    editor.screen.type("3G$F{l")
    editor.screen.command("Hermitcrab fix")
    editor.wait_until_idle()
    assert editor.text() == FIXED
    editor.screen.command("Hermitcrab chat")
    editor.screen.wait_for("I am not a language model")
    editor.screen.keep("offline")


COMMAND = """\
call Bash command="echo ran > ran.txt && cat ran.txt" description="make a file"

say "That is done, or it is not."
"""


@pytest.mark.parametrize(("answer", "ran"), [("1", True), ("3", False)])
def test_a_permission_question_is_answered(neovim: OpenNeovim, project: Path, answer: str, ran: bool) -> None:
    (project / "a.py").write_text("x = 1\n")
    editor = neovim(COMMAND, "a.py")
    editor.screen.command("Hermitcrab trust yes")
    editor.screen.wait_for("is trusted")
    editor.screen.command("Hermitcrab send run it")
    editor.screen.wait_for("echo ran > ran.txt && cat ran.txt")
    question = editor.screen.wait_for("Allow once")
    editor.screen.keep(f"permission-{'yes' if ran else 'no'}-1-question")
    assert "echo ran > ran.txt && cat ran.txt" in question
    assert not (project / "ran.txt").exists()
    editor.screen.type(answer)
    editor.screen.keys("Enter")
    editor.wait_until_idle()
    editor.wait_for_chat("That is done")
    assert (project / "ran.txt").exists() == ran
    editor.screen.keep(f"permission-{'yes' if ran else 'no'}-2-after")


def test_an_untrusted_folder_is_asked_to_be_trusted(neovim: OpenNeovim, project: Path) -> None:
    (project / "a.py").write_text("x = 1\n")
    editor = neovim(COMMAND, "a.py")
    editor.screen.command("Hermitcrab send run it")
    editor.screen.wait_for("Trust this folder and run")
    editor.screen.keep("permission-trust")
    editor.screen.keys("Escape")
    editor.wait_until_idle()
    assert not (project / "ran.txt").exists()


def test_a_question_waits_for_the_typing_hand(neovim: OpenNeovim, project: Path) -> None:
    (project / "a.py").write_text("x = 1\n")
    editor = neovim('wait 1\ncall Bash command="touch ran.txt"\n\nsay done\n', "a.py")
    editor.screen.command("Hermitcrab trust yes")
    editor.screen.wait_for("is trusted")
    editor.screen.command("Hermitcrab send run it")
    editor.screen.keys("o")
    typed = "y = '1 1 1 2 3'  # 1"
    for letter in typed * 3:
        editor.screen.type(letter)
        time.sleep(0.03)
    editor.screen.wait_for("leave Insert mode to answer")
    editor.screen.keep("permission-typing")
    assert not (project / "ran.txt").exists()
    editor.screen.type("1")
    editor.screen.keys("Enter")
    editor.wait_until("vim.api.nvim_get_mode().mode == 'i'")
    editor.screen.keys("Escape")
    editor.screen.wait_for("Allow once")
    editor.screen.type("1")
    editor.screen.keys("Enter")
    editor.wait_until_idle()
    assert (project / "ran.txt").exists()
    assert editor.text() == "x = 1\n" + typed * 3 + "1\n\n"


def test_cancel_stops_a_turn(neovim: OpenNeovim, project: Path) -> None:
    (project / "a.py").write_text("x = 1\n")
    editor = neovim("say thinking\nwait 60\nsay never\n", "a.py")
    editor.screen.command("Hermitcrab send think long")
    editor.wait_for_chat("thinking")
    started = time.monotonic()
    editor.screen.command("Hermitcrab cancel")
    editor.wait_until_idle()
    assert time.monotonic() - started < 10
    chat = editor.wait_for_chat("Cancelled")
    assert "never" not in chat
    editor.screen.keep("cancel")


TWO_FILES = """\
call Edit file_path=a.py old_string="one" new_string="uno"
call Edit file_path=b.py old_string="two" new_string="due"

say "Both speak Italian now."
"""


def test_undo_this_turn_restores_two_files(neovim: OpenNeovim, project: Path) -> None:
    (project / "a.py").write_text("# 🦀\nname = 'one'\n")
    (project / "b.py").write_text("# 蟹\nname = 'two'\n")
    editor = neovim(TWO_FILES, "a.py", "b.py")
    editor.screen.keys("G", "o")
    editor.screen.type("mine = 1")
    editor.screen.keys("Escape")
    editor.screen.command("split b.py")
    editor.wait_for_server()
    editor.screen.command("Hermitcrab send speak Italian")
    editor.wait_for_chat("Both speak Italian now")
    editor.wait_until_idle()
    assert editor.text("a.py") == "# 🦀\nname = 'uno'\nmine = 1\n"
    assert editor.text("b.py") == "# 蟹\nname = 'due'\n"
    editor.screen.keep("undo-1-changed")
    editor.screen.command("Hermitcrab undo")
    editor.screen.wait_for("undone in")
    assert editor.text("a.py") == "# 🦀\nname = 'one'\nmine = 1\n"
    assert editor.text("b.py") == "# 蟹\nname = 'two'\n"
    assert editor.is_modified("a.py")
    assert (project / "a.py").read_text() == "# 🦀\nname = 'one'\n"
    editor.screen.keep("undo-2-undone")


STREAM = (
    "delta 7\n" + "\n".join(f'say "Line {number} of a long answer.\\n"\nwait 0.03' for number in range(1, 201)) + "\n"
)


def test_the_answer_streams_beside_while_a_person_types(neovim: OpenNeovim, project: Path) -> None:
    (project / "a.py").write_text("x = 1\n")
    editor = neovim(STREAM, "a.py")
    editor.screen.command("Hermitcrab send tell me")
    editor.screen.wait_for("Line 3 of a long answer")
    editor.screen.keys("o")
    typed = "".join(chr(ord("a") + index % 26) for index in range(100))
    for letter in typed:
        editor.screen.type(letter)
        time.sleep(0.02)
    assert "Line 200" not in editor.chat()
    editor.screen.keep("stream-1-typing")
    editor.wait_until_idle()
    editor.screen.wait_for("Line 200 of a long answer")
    editor.screen.keys("Escape")
    assert editor.text() == f"x = 1\n{typed}\n"
    chat = editor.chat()
    assert [line for line in chat.splitlines() if line.startswith("Line ")] == [
        f"Line {number} of a long answer." for number in range(1, 201)
    ]
    assert editor.ask("vim.bo.filetype") == "python"
    editor.screen.keep("stream-2-done")


def test_an_edit_amid_typing_is_an_undo_of_its_own(neovim: OpenNeovim, project: Path) -> None:
    (project / "a.py").write_text("# 🦀\nname = 'one'\nlast = 1\n")
    edit = 'wait 0.8\ncall Edit file_path=a.py old_string="one" new_string="uno"\n\nsay done\n'
    editor = neovim(edit, "a.py")
    editor.screen.command("Hermitcrab send speak Italian")
    editor.screen.keys("G", "o")
    editor.screen.type("before")
    editor.wait_for_chat("done")
    editor.screen.type("after")
    editor.screen.keys("Escape")
    whole = "# 🦀\nname = 'uno'\nlast = 1\nbeforeafter\n"
    editor.wait_until("vim.api.nvim_get_mode().mode == 'n'")
    assert editor.text() == whole
    steps = []
    for _ in range(3):
        editor.screen.keys("u")
        time.sleep(0.2)
        steps.append(editor.text())
    assert steps == [
        whole.replace("after", ""),
        whole.replace("after", "").replace("uno", "one"),
        "# 🦀\nname = 'one'\nlast = 1\n",
    ]


def test_a_prompt_is_written_in_the_chat(neovim: OpenNeovim, project: Path) -> None:
    (project / "a.py").write_text("x = 1\n")
    editor = neovim('say "Four, as far as I know."\n', "a.py")
    editor.screen.command("Hermitcrab chat")
    editor.screen.wait_for("i: write")
    editor.screen.keys("i")
    editor.screen.wait_for("Ctrl-S sends")
    editor.screen.type("How many legs")
    editor.screen.keys("Enter")
    editor.screen.type("has a crab?")
    editor.screen.keep("prompt-1-written")
    editor.screen.keys("C-s")
    chat = editor.wait_for_chat("Four, as far as I know.")
    assert chat.startswith("## You\n\nHow many legs\nhas a crab?\n\n## Hermitcrab\n\nFour, as far as I know.")
    editor.screen.wait_for("Four, as far as I know.")
    editor.screen.keep("prompt-2-answered")


def test_a_session_is_opened_again(neovim: OpenNeovim, project: Path) -> None:
    (project / "greet.py").write_text(GREET)
    first = neovim(FIX, "greet.py")
    first.screen.command("Hermitcrab send fix the name")
    first.wait_until_idle()
    told = first.wait_for_chat("The name was misspelt")
    first.close()
    second = neovim(FIX, "greet.py")
    second.screen.command("Hermitcrab chat list")
    second.screen.wait_for("Sessions:")
    second.screen.keep("sessions-1-list")
    second.screen.type("1")
    second.screen.keys("Enter")
    assert second.wait_for_chat("The name was misspelt") == told
    second.screen.keep("sessions-2-loaded")


def test_checkhealth_finds_nothing_wrong(neovim: OpenNeovim, project: Path) -> None:
    (project / "a.py").write_text("x = 1\n")
    editor = neovim(None, "a.py")
    editor.screen.command("checkhealth hermitcrab")
    editor.screen.wait_for("runs in")
    health = editor.text()
    assert "❌" not in health
    assert "ERROR" not in health
    editor.screen.keep("health")
