"""What an admin can choose about the milter; the daemon reads it from `postward.yml`."""

from dataclasses import dataclass
from typing import Literal

OnTrouble = Literal["tempfail", "accept", "reject"]


@dataclass(frozen=True, slots=True)
class MilterSettings:
    """Choices of the milter door. Times in seconds.

    `deadline`: what all waiting for checks of one message may take; `on_trouble`: the answer when we
    ourselves fail; `idle`: how long the MTA may say nothing between commands; `packet`: how long it
    may take over one packet, or pause within a header and body; `findings`: policyd tells us what it
    found, and that header field must be taken out.
    """

    authserv_id: str
    deadline: float = 15.0
    on_trouble: OnTrouble = "tempfail"
    connections: int = 500
    idle: float = 300.0
    packet: float = 10.0
    authentication_results: bool = True
    verdict_header: bool = True
    findings: bool = True

    @property
    def stamps(self) -> bool:
        """Whether the header is read or written for our own sake, whatever the rules want."""
        return self.authentication_results or self.verdict_header or self.findings
