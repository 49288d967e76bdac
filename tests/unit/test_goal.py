"""What a *Fix* prompt asks for is read back from its words, and a change in words is told from a change."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hermitcrab.actions.offers import Place, Problem
from hermitcrab.actions.prompts import ask_prompt, explain_prompt, fix_prompt, wanted_in
from hermitcrab.agent.goal import _places
from hermitcrab.agent.prose import change_in_words
from hermitcrab.agent.wanted import Wanted

NAMES = st.text("ab/.: -_ü", min_size=1, max_size=12).map(lambda name: f"{name.strip() or 'a'}.py")
WORDS = st.text("ab`[]: '", min_size=1, max_size=20).map(lambda text: " ".join(text.split())).filter(bool)
PROBLEMS = st.builds(
    Problem,
    line=st.integers(0, 10_000),
    column=st.integers(0, 200),
    severity=st.sampled_from(["error", "warning"]),
    source=st.sampled_from(["ruff", "Pyright", ""]),
    code=st.sampled_from(["F821", ""]),
    message=WORDS,
)


@example("- :.py", [Problem(0, 0, "error", "ruff", "F821", ":")])
@given(NAMES, st.lists(PROBLEMS, min_size=1, max_size=4))
def test_what_a_fix_asks_for_is_read_back(file: str, problems: list[Problem]) -> None:
    prompt = fix_prompt(Place(file, (0, 0), (0, 0), tuple(problems)), tuple(problems))
    labels = [f"{problem.source} {problem.code}".strip() or "editor" for problem in problems]
    assert wanted_in(prompt) == tuple(
        Wanted(file, problem.line, label, problem.message) for problem, label in zip(problems, labels, strict=True)
    )


def test_other_prompts_ask_for_nothing_to_be_gone() -> None:
    place = Place("a.py", (1, 0), (1, 0), (Problem(1, 2, "error", "ruff", "F821", "Fix this problem in a.py:"),))
    assert wanted_in(explain_prompt(place)) == wanted_in(ask_prompt(place, "How do I fix it?")) == ()
    assert wanted_in("fix a.py:1:2: error [ruff F821] x") == ()
    assert wanted_in("Fix this problem in a.py:\nb.py:1:1: error [ruff F821] x") == ()


def test_a_line_is_followed_through_an_edit() -> None:
    places = _places("a\nb\nc\nd\n", "new\na\nB1\nB2\nd\n")
    assert [places.of(line) for line in range(4)] == [(1, 1), (2, 3), (2, 3), (4, 4)]
    gone = _places("a\nb\nc\n", "a\nc\n")
    assert gone.of(1) == (1, 0)  # nowhere
    assert gone.of(2) == (1, 1)


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("```diff\n--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1 @@\n-x\n+y\n```", "src/a.py"),
        ("*** Begin Patch\n*** Update File: a.py\n-x\n+y\n*** End Patch", "a.py"),
        ("a.py\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE", "a.py"),
        ("In `lib/b.ts`:\n```diff\n-x\n+y\n```", "lib/b.ts"),
        ("```diff\n-x\n+y\n```", None),
        ("I changed a.py:\n```python\nx = 1\n```", None),
        ("--- \nA line in a.py", None),
    ],
)
def test_a_change_in_words(text: str, file: str | None) -> None:
    assert change_in_words(text) == file
