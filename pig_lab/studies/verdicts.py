"""One line of the table of claims, and the words for a verdict."""

from dataclasses import dataclass

REPRODUCED, PARTLY, DIFFERS, OPEN = "**reproduced**", "**in part**", "**differs**", "not shown"
NO_RUN, NO_SEED = "no full run", "no seed"  # of the recipe ``paper``, or none that predicts
GOOD = 0.10  # the paper's own "within 10 %"


@dataclass(frozen=True)
class Claim:
    """One line of the table."""

    says: str  # what the paper claims
    number: str  # its number, as recalled
    paper: str  # what we found with the recipe ``paper``
    improved: str  # and with ``improved``
    verdict: str
    where: str  # link to the section

    @property
    def judged(self) -> str:
        """The verdict, and whether it rests on ``improved`` alone."""
        alone = self.verdict != OPEN and self.paper.startswith((OPEN, NO_RUN, NO_SEED))
        return self.verdict + (", with `improved`" if alone else "")


def link(page: str, text: str) -> str:
    return f"[{text}]({page}.html)"
