"""Every story in this folder is a test; `make stories UPDATE=1` rewrites their outcomes for you to read in the diff."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import story as stories

STORIES = sorted(Path(__file__).parent.rglob("*.txt"))


@pytest.mark.parametrize("path", STORIES, ids=[path.stem for path in STORIES])
def test_story(path: Path, tmp_path: Path) -> None:
    text = path.read_text("utf-8")
    story, outcome = stories.tell(text, tmp_path)
    rendered = story.render(outcome)
    if os.environ.get("UPDATE") and rendered != text:
        path.write_text(rendered, "utf-8")
    assert rendered == path.read_text("utf-8")
