"""Open documents follow their editors, one per connection."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.core.text import TextChange
from hermitcrab.workspace.documents import DocumentChanged, Documents
from simulator.clock import run
from simulator.editor import InProcess, Manners

URI = "file:///w/a.py"
PATH = Path("/w/a.py")


def opened(text: str = "a\nb\n") -> Documents:
    documents = Documents(clock=lambda: 0.0)
    assert documents.open("one", URI, PATH, "python", 1, text) == DocumentChanged("opened", "one", URI, PATH, 1)
    return documents


def test_changes_are_made_one_after_the_other() -> None:
    documents = opened()
    news = documents.change("one", URI, 2, [TextChange("x\n", (0, 0), (0, 0)), TextChange("y", (1, 0), (1, 1))])
    assert news == DocumentChanged("changed", "one", URI, PATH, 2)
    assert documents.find("one", URI).text == "x\ny\nb\n"


def test_a_version_out_of_order_is_noted_and_the_text_still_followed() -> None:
    documents = opened()
    documents.change("one", URI, 5, [TextChange("5")])
    assert documents.change("one", URI, 3, [TextChange("3")]).notes == ("version 3 came after 5",)
    assert (documents.find("one", URI).text, documents.find("one", URI).version) == ("3", 3)


def test_two_connections_hold_one_file_each_in_its_own_way() -> None:
    documents = opened()
    documents.open("two", URI, PATH, "python", 7, "other\n")
    assert [document.text for document in documents.all_open(PATH)] == ["a\nb\n", "other\n"]
    document = documents.get("two", PATH)
    assert document is not None
    assert document.id.version == 7
    assert documents.get("three", PATH) is None


def test_a_connection_that_goes_away_takes_its_documents_along() -> None:
    documents = opened()
    documents.open("two", URI, PATH, "python", 1, "other\n")
    assert documents.disconnect("one") == (DocumentChanged("closed", "one", URI, PATH, None),)
    assert [document.connection for document in documents] == ["two"]


def test_opening_again_replaces_and_is_noted() -> None:
    documents = opened()
    assert documents.open("one", URI, PATH, "python", 1, "new").notes == ("opened again without being closed",)
    assert documents.find("one", URI).text == "new"


def test_a_save_that_names_another_text_is_believed_and_noted() -> None:
    documents = opened()
    assert documents.save("one", URI).notes == ()
    assert documents.save("one", URI, "a\nb\n").notes == ()
    assert documents.save("one", URI, "saved").notes != ()
    assert documents.find("one", URI).text == "saved"


@pytest.mark.parametrize("message", ["change", "save", "close"])
def test_a_document_that_is_not_open_is_named(message: str) -> None:
    documents = opened()
    documents.close("one", URI)
    with pytest.raises(HermitcrabError, match=r"a\.py.*didOpen"):
        documents.change("one", URI, 2, []) if message == "change" else getattr(documents, message)("one", URI)


def test_a_file_behind_a_link_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("")
    (tmp_path / "link.py").symlink_to("real.py")
    documents = Documents()
    documents.open("one", (tmp_path / "link.py").as_uri(), tmp_path / "link.py", "python", 1, "")
    assert documents.get("one", tmp_path / "real.py") is not None


def test_who_waits_for_an_echo_sees_every_text_and_the_end() -> None:
    async def story() -> None:
        documents = opened()
        with documents.watch(documents.find("one", URI)) as watch:
            waiting = asyncio.create_task(watch.news())
            await asyncio.sleep(0)
            assert not waiting.done()
            documents.change("one", URI, 2, [TextChange("1"), TextChange("2")])
            assert await waiting == ["1", "2"]
            documents.open("two", URI, PATH, "python", 1, "not this one")
            documents.close("one", URI)
            assert await watch.news() == []
            assert watch.is_closed
            documents.open("one", URI, PATH, "python", 1, "again")
            assert (await watch.news(), watch.is_closed) == (["again"], False)
        documents.change("one", URI, 2, [TextChange("later")])
        assert watch.take() == []

    run(story())


def test_one_edit_at_a_time_has_a_file() -> None:
    documents = Documents()
    lock = documents.lock(PATH)
    assert documents.lock(PATH) is lock
    assert documents.lock(Path("/w/b.py")) is not lock


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize("echo", ["each", "merged", "full"])
def test_a_document_is_what_the_editor_shows(encoding, echo) -> None:
    async def story() -> None:
        rng = random.Random(f"{encoding}{echo}")
        documents = Documents()
        client = InProcess(documents, "one", Manners(encoding=encoding, echo=echo))
        buffer = client.editor.open(URI, "a\r\n😀é漢\n\rb")
        for _ in range(400):
            text = buffer.text
            place = rng.randint(0, len(text))
            size = rng.randint(0, min(4, len(text) - place))
            if "\r\n" in {text[max(place - 1, 0) : place + 1], text[max(place + size - 1, 0) : place + size + 1]}:
                continue
            client.editor.type(URI, place, rng.choice(["", "x", "\n", "\r\n", "\r", "😀", "漢\ny"]), delete=size)
            client.editor.flush(URI)
            assert documents.find("one", URI).text == buffer.text
            if echo == "each":
                assert documents.find("one", URI).version == buffer.version

    run(story())
