from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hermitcrab.agent.loops import ENDED_AFTER, ENDED_AFTER_USELESS, TOLD_AFTER, TOLD_AFTER_USELESS, Circle, Loops
from hermitcrab.core.events import ToolCallFinished
from hermitcrab.core.messages import ToolCall

Made = tuple[str, str, str, bool]
"""A call's tool and word, its result, and whether it began."""


class Watched:
    def __init__(self) -> None:
        self.loops, self.count = Loops(), 0

    def say(self, *made: Made) -> Circle | None:
        calls, results, began = [], {}, set()
        for tool, word, result, has_begun in made:
            self.count += 1
            call = ToolCall(f"c{self.count}", tool, {"word": word})
            calls.append(call)
            status = "completed" if has_begun else "failed"
            results[call.id] = ToolCallFinished(call=call.id, turn="t", tool=tool, status=status, text=result)
            if has_begun:
                began.add(call.id)
        return self.loops.take(calls, results, began)


READ: Made = ("Read", "a", "x", True)
GREP: Made = ("Grep", "a", "x", True)


def told(found: list[Circle | None]) -> list[int]:
    return [at for at, circle in enumerate(found, 1) if circle is not None and not circle.is_over]


def over(found: list[Circle | None]) -> list[int]:
    return [at for at, circle in enumerate(found, 1) if circle is not None and circle.is_over]


def test_the_same_three_times_is_told_and_five_times_is_the_end() -> None:
    watched = Watched()
    found = [watched.say(READ) for _ in range(5)]
    assert (told(found), over(found)) == ([TOLD_AFTER], [ENDED_AFTER])
    assert "`Read`" in found[-1].told  # type: ignore[union-attr]


def test_two_in_turns_are_a_circle_too() -> None:
    watched = Watched()
    found = [watched.say(made) for _ in range(5) for made in (READ, GREP)]
    assert (told(found), over(found)) == ([6], [10])


def test_the_same_many_times_in_one_message() -> None:
    assert Watched().say(READ, READ, READ) is not None


@given(st.lists(st.sampled_from(["Read", "Bash"]), max_size=40))
def test_a_call_whose_result_changes_is_never_a_circle(tools: list[str]) -> None:
    watched = Watched()
    assert not any(watched.say((tool, "a", f"result {at}", True)) for at, tool in enumerate(tools))


def test_something_else_in_between_begins_the_count_anew() -> None:
    watched = Watched()
    rounds = [READ, READ, ("Edit", "a", "done", True)]
    found = [watched.say(made) for made in [*rounds, READ, READ]]
    assert found == [None] * 5


def test_calls_that_cannot_run_are_told_and_then_are_the_end() -> None:
    watched = Watched()
    found = [watched.say(("None", f"{at}", f"no {at}", False)) for at in range(8)]
    assert (told(found), over(found)) == ([TOLD_AFTER_USELESS], [ENDED_AFTER_USELESS])


def test_one_that_ran_in_between_clears_them() -> None:
    watched = Watched()
    for at in range(20):
        made = READ if at % 3 == 2 else ("None", f"{at}", f"no {at}", False)
        assert watched.say(made) is None
