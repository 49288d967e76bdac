"""The two modules between the protocol's words and ours: URIs, encodings, diagnostics, edits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.core.edits import Hunk
from hermitcrab.core.ports import BufferEdit, Diagnostic
from hermitcrab.core.text import LineText, PositionEncoding, TextChange
from hermitcrab.lsp import clients, from_lsp, to_lsp
from hermitcrab.workspace.documents import Document, Documents

ENCODINGS: list[PositionEncoding] = ["utf-8", "utf-16", "utf-32"]


def document(text: str) -> Document:
    documents = Documents()
    documents.open("c", "file:///tmp/a.py", Path("/tmp/a.py"), "python", 4, text)
    return documents.find("c", "file:///tmp/a.py")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:///a/b.py", "/a/b.py"),
        ("FILE:///a/b.py", "/a/b.py"),
        ("file:/a/b.py", "/a/b.py"),
        ("file://localhost/a/b.py", "/a/b.py"),
        ("file:///a/with%20space/%23%3F%25.py", "/a/with space/#?%.py"),
        ("file:///a/raw#hash?.py", "/a/raw#hash?.py"),
        ("file:///%E4%B8%AD/%C3%A9.py", "/中/é.py"),
        ("file:///中/é.py", "/中/é.py"),
        ("file:///a/%ff.py", os.fsdecode(b"/a/\xff.py")),
        ("file:///c%3A/x.py", "/c:/x.py"),
        ("file:///", "/"),
        ("untitled:Untitled-1", None),
        ("vscode-notebook-cell:/a.ipynb#1", None),
        ("git:/a/b.py?HEAD", None),
        ("http://x/a.py", None),
        ("file://server/share/a.py", None),
        ("file:relative.py", None),
        ("file:", None),
        ("file://", None),
        ("file:///a%00b", None),
        ("file:///a\ud800", None),
        ("/a/b.py", None),
        ("", None),
    ],
)
def test_a_uri_names_a_file_of_this_machine_or_none(uri: str, name: str | None) -> None:
    assert from_lsp.path(uri, windows=False) == (None if name is None else Path(name))


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:///c%3A/Users/x.py", "c:/Users/x.py"),
        ("file:///C:/Users/x.py", "C:/Users/x.py"),
        ("file:///c:", "c:"),
        ("file://server/share/x.py", "//server/share/x.py"),
    ],
)
def test_drives_and_shares_on_windows(uri: str, name: str) -> None:
    assert from_lsp.path(uri, windows=True) == Path(name)


@given(st.text(st.characters(blacklist_characters="\0"), min_size=1, max_size=30))
def test_every_path_survives_the_way_there_and_back(name: str) -> None:
    path = Path("/", os.fsdecode(name.encode("utf-8", "ignore")))
    assert from_lsp.path(to_lsp.uri(path), windows=False) == path


def test_roots_come_from_folders_then_the_root_uri_then_the_root_path() -> None:
    folders = [{"uri": "file:///a", "name": "a"}, {"uri": "untitled:b", "name": "b"}, {}, 7]
    everything = {"workspaceFolders": folders, "rootUri": "file:///c", "rootPath": "/d"}
    assert from_lsp.roots(everything) == [Path("/a"), None, None, None]
    assert from_lsp.roots({**everything, "workspaceFolders": None}) == [Path("/c")]
    assert from_lsp.roots({"workspaceFolders": [], "rootUri": None, "rootPath": "/d"}) == [Path("/d")]
    assert from_lsp.roots({}) == []


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, "utf-16"),
        ([], "utf-16"),
        (["utf-8", "utf-16"], "utf-8"),
        (["utf-16", "utf-8"], "utf-16"),
        (["ucs-2", "utf-32"], "utf-32"),
        (["ucs-2", 7, None], "utf-16"),
        ("utf-8", "utf-16"),
    ],
)
def test_the_clients_first_known_encoding_is_chosen(offered: Any, chosen: str) -> None:
    assert from_lsp.choose_encoding({"general": {"positionEncodings": offered}}) == chosen
    assert from_lsp.choose_encoding({"general": None}) == "utf-16"


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 10), ("utf-16", 6), ("utf-32", 5)])
def test_a_place_behind_an_emoji_and_a_chinese_word(encoding: PositionEncoding, column: int) -> None:
    it = document("x\n\U0001f600 中 = 1\n")
    area = {"start": {"line": 1, "character": column - 1}, "end": {"line": 1, "character": column}}
    assert from_lsp.span(area, it, encoding) == ((1, 4), (1, 5))
    assert to_lsp.span((1, 4), (1, 5), it.lines, encoding) == area


def test_a_diagnostic_comes_in_with_what_it_has() -> None:
    it = document("a = 1\nb = \U0001f600c\n")
    area = {"start": {"line": 1, "character": 6}, "end": {"line": 1, "character": 7}}
    full = {"range": area, "severity": 2, "message": "no `c`", "source": "pyright", "code": 7}
    assert from_lsp.diagnostic(full, it, 3, "utf-16") == Diagnostic(
        it.path, 1, 5, 1, 6, "warning", "no `c`", "pyright", "7", 3
    )
    assert from_lsp.diagnostic({}, it, None, "utf-16") == Diagnostic(it.path, 0, 0, 0, 0, "error", "", "")
    for odd in ({"range": {"start": 1}, "severity": [9]}, {"range": {"start": {"line": "x", "character": 0}}}, 7, None):
        assert from_lsp.diagnostic(odd, it, None, "utf-16") == Diagnostic(it.path, 0, 0, 0, 0, "error", "", "")


def test_a_diagnostic_goes_out_and_comes_back() -> None:
    it = document("a = 1\nb = \U0001f600c\n")
    ours = Diagnostic(it.path, 1, 5, 1, 6, "hint", "no `c`", "ruff", "F821", 4)
    for encoding in ENCODINGS:
        assert from_lsp.diagnostic(to_lsp.diagnostic(ours, it.lines, encoding), it, 4, encoding) == ours


def applied(text: str, edits: list[dict[str, Any]], encoding: PositionEncoding) -> str:
    """Apply edits as an editor does: all of them meant for the text as it was."""
    lines = LineText(text)
    for edit in reversed(edits):
        start, end = edit["range"]["start"], edit["range"]["end"]
        lines.change(
            TextChange(edit["newText"], (start["line"], start["character"]), (end["line"], end["character"]), encoding)
        )
    return lines.text


def test_an_edit_is_one_file_with_its_version_and_the_smallest_ranges() -> None:
    text = "one = 1\ntwo = 2\nthree = 3\n"
    hunks = (Hunk(8, "two = 2\n", "two = 22\n"), Hunk(0, "one = 1\n", "one = 0\n"))
    edit = BufferEdit(Path("/a.py"), "file:///A.py", 7, text, hunks, "Fix it")
    assert to_lsp.apply_edit(edit, "utf-16") == {
        "label": "Fix it",
        "edit": {
            "documentChanges": [
                {
                    "textDocument": {"uri": "file:///A.py", "version": 7},
                    "edits": [
                        {"range": _area(0, 6, 7), "newText": "0"},
                        {"range": _area(1, 7, 7), "newText": "2"},
                    ],
                }
            ]
        },
    }


def _area(line: int, start: int, end: int) -> dict[str, Any]:
    return {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}}


def test_text_is_appended_behind_the_last_character() -> None:
    it = document("# chat\n\U0001f600")
    assert to_lsp.append(it, "more", "utf-16")["edit"]["documentChanges"] == [
        {
            "textDocument": {"uri": it.uri, "version": 4},
            "edits": [{"range": _area(1, 2, 2), "newText": "more"}],
        }
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\r\n", "a\n"),
        ("a\n", "a\r\n"),
        ("a\r\n", "a\r\nb\r\n"),
        ("a\rb", "a\r\nb"),
        ("\r\n\r\n", "\r\n"),
        ("aXa", "aa"),
    ],
)
def test_line_ends_are_never_cut(before: str, after: str) -> None:
    for encoding in ENCODINGS:
        assert applied(before, to_lsp.text_edits(before, [Hunk(0, before, after)], encoding), encoding) == after


PIECES = st.lists(
    st.sampled_from(["a", "b", "\U0001f600", "中", "\n", "\r\n", "\r", "\x0c", "\u2028", " "]), max_size=12
)


@given(st.lists(st.tuples(PIECES, PIECES, PIECES), min_size=1, max_size=4), st.sampled_from(ENCODINGS))
def test_hunks_arrive_as_they_are_meant(
    parts: list[tuple[list[str], list[str], list[str]]], encoding: PositionEncoding
) -> None:
    text, expected, hunks = "", "", list[Hunk]()
    for kept, before, after in parts:
        # A line of its own keeps hunks apart and line ends whole, as the differ makes them.
        text += "".join(kept) + "|\n"
        expected += "".join(kept) + "|\n"
        hunks.append(Hunk(len(text), "".join(before) + "|\n", "".join(after) + "|\n"))
        text += hunks[-1].before
        expected += hunks[-1].after
    edits = to_lsp.text_edits(text, hunks, encoding)
    assert applied(text, edits, encoding) == expected
    assert edits == sorted(edits, key=lambda edit: tuple(edit["range"]["start"].values()))


@pytest.mark.parametrize(
    ("name", "profile", "checks", "tells", "parks"),
    [
        ("Visual Studio Code", "vscode", True, True, False),
        ("Visual Studio Code - Insiders", "vscode", True, True, False),
        ("code-server", "vscode", True, True, False),
        ("Neovim", "neovim", True, False, False),
        ("helix", "helix", True, True, False),
        ("Eglot", "eglot", True, True, False),
        ("emacs", "lsp-mode", False, True, False),
        ("Sublime Text LSP", "sublime", True, False, False),
        ("Kate", "kate", False, True, True),
        ("IntelliJ IDEA 2026.2", "lsp4ij", False, False, False),
        ("PyCharm", "lsp4ij", False, False, False),
        ("Zed Preview", "zed", False, False, False),
        ("ed", "unknown", False, False, False),
        ("", "unknown", False, False, False),
    ],
)
def test_each_client_has_its_manners(name: str, profile: str, checks: bool, tells: bool, parks: bool) -> None:
    found = clients.profile_of(name, {"workspace": {"applyEdit": True}})
    assert (found.name, found.checks_versions, found.tells_refusal, found.edits_after_command_only) == (
        profile,
        checks,
        tells,
        parks,
    )
    assert found.reviews
    assert not found.saves_on_request


def test_a_client_says_itself_what_it_can_do() -> None:
    ours = {"workspace": {"applyEdit": True}, "experimental": {"hermitcrab": {"version": 1, "save": True}}}
    assert clients.profile_of("Neovim", ours).saves_on_request
    assert not clients.profile_of("Neovim", {"workspace": {}}).reviews
    for odd in ({}, {"experimental": None}, {"experimental": []}, {"experimental": {"hermitcrab": 7}}):
        assert clients.experimental(odd) == {}
