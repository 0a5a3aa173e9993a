"""The bounded memory."""

from postward.store.generations import Generations


def test_it_never_holds_more_than_it_may() -> None:
    memory: Generations[int] = Generations(10)
    for each in range(1_000):
        memory.put(each, each)
        assert len(memory) <= 10


def test_what_is_asked_for_stays() -> None:
    memory: Generations[str] = Generations(10)
    memory.put(0, "kept")
    for each in range(1, 1_000):
        memory.put(each, "other")
        assert memory.get(0) == "kept"


def test_what_is_not_asked_for_goes() -> None:
    memory: Generations[str] = Generations(10)
    memory.put(0, "gone")
    for each in range(1, 11):
        memory.put(each, "other")
    assert memory.get(0) is None


def test_nothing_goes_before_it_may() -> None:
    memory: Generations[str] = Generations(10, lambda: False)
    for each in range(100):
        memory.put(each, "kept")
    assert len(memory) == 100
