"""The dialogue files, each played through a real Postfix."""

from pathlib import Path

import pytest
from lab.host import MailHost

from tests.postfix import dialogue

FILES = sorted((Path(__file__).parent / "dialogues").glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_goes_as_written(path: Path, mail_host: MailHost) -> None:
    dialogue.read(path).run(mail_host)
    assert mail_host.trouble() == []
