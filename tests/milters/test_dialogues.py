"""Each dialogue through both transports: they must be the same milter."""

import pytest

from tests.milters.dialogue import FILES, read, speak
from tests.milters.scripted import house
from tests.milters.serving import serving


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_asyncio(path, caplog):
    dialogue = read(path)
    with serving(dialogue.settings, house(dialogue.rules)) as served, served.client() as client:
        for event, answer, expected in speak(dialogue, client):
            assert (event, answer) == (event, expected)
    assert ("trouble of our own" in caplog.text) == (dialogue.rules.error is not None)


@pytest.mark.libmilter
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_libmilter(path, libmilter):
    dialogue = read(path)
    with libmilter(path) as client:
        for event, answer, expected in speak(dialogue, client):
            assert (event, answer) == (event, expected)
