"""The dialogue files, each played through a real Postfix, with both transports of the milter."""

from pathlib import Path

import pytest
from lab.host import MailHost

from tests.postfix import dialogue

FILES = sorted((Path(__file__).parent / "dialogues").glob("*.txt"))
TRANSPORTS = ("asyncio", pytest.param("libmilter", marks=pytest.mark.libmilter))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_goes_as_written(path: Path, transport: str, mail_host: MailHost) -> None:
    dialogue.read(path).run(mail_host, transport)
    assert mail_host.trouble() == []
