"""One list as it runs: its definition, its state, and what makes it suspect between two tests."""

from postward.dnslists import answer
from postward.dnslists.answer import Listed, Nonsense, Refused, Said
from postward.dnslists.definition import Definition
from postward.dnslists.statistics import State
from postward.tools import Answer, Listing, NoName, Records

WINDOW = 200
"""Of so many different subjects in a row a list that lists everything has nearly all."""
TOO_MANY = 0.8
ALONE = 0.9
_MAX_MEANINGS = 256


class Watched:
    """`suspect` says why the list should be tested now, empty while nothing speaks against it."""

    __slots__ = ("_alone", "_listed", "_meanings", "_seen", "definition", "state", "suspect")

    def __init__(self, definition: Definition, state: State) -> None:
        self.definition = definition
        self.state = state
        self.suspect = ""
        self._meanings: dict[tuple[str, ...], Said] = {}
        self._seen: set[str] = set()
        self._listed = self._alone = 0

    def read(self, said: Answer[str]) -> Said:
        """What an answer means; the usual ones are worked out once."""
        if said.__class__ is NoName:
            return answer.CLEAN
        if not isinstance(said, Records):
            return answer.read(self.definition, said)
        found = self._meanings.get(said.values)
        if found is None:
            if len(self._meanings) >= _MAX_MEANINGS:
                self._meanings.clear()
            found = self._meanings[said.values] = answer.meaning(self.definition, said.values)
        return found

    def note(self, said: Said) -> tuple[Listing, ...]:
        """Count an answer to a look; the listings that it gives."""
        counts = self.state.counts
        counts.queries += 1
        if said is answer.CLEAN:
            return ()
        if isinstance(said, Listed):
            counts.hits += 1
            return said.listings
        counts.unsure += 1
        if isinstance(said, Refused):
            counts.refused += 1
        if isinstance(said, Refused | Nonsense):
            self.suspect = said.why
        return ()

    def clean(self, subject: str) -> None:
        """Count a look at `subject` that all lists answered, and none has it."""
        self.state.counts.queries += 1
        if subject not in self._seen:
            self.met(subject, False, False)

    def met(self, subject: str, listed: bool, alone: bool) -> None:
        """A look at `subject` ended. `alone`: no other list of its kind has it.

        A list that has nearly all of many different subjects, while the others know nothing of them,
        was shut down or hijacked more likely than right.
        """
        if subject in self._seen:
            return
        self._seen.add(subject)
        self._listed += listed
        self._alone += alone
        if len(self._seen) < WINDOW:
            return
        if self._listed > TOO_MANY * WINDOW and self._alone > ALONE * self._listed:
            self.suspect = f"it lists {self._listed} of {WINDOW} different subjects in a row, others do not"
        self._seen.clear()
        self._listed = self._alone = 0
