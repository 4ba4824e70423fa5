"""What a run needs of the world, whether that is Azure or the emulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from tests.acceptance.arm import Arm
from tests.acceptance.conversation import Conversation
from tests.acceptance.place import Files, Place, Share

Kind = Literal["azure", "emulator"]


class EstateError(RuntimeError):
    """The estate could not be made; the text says what a person must change."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Something that could not be taken away, or that Azure keeps for a while."""

    what: str
    why: str


class Estate(Protocol):
    """Makes what a run needs, and takes it away. Every step may be done again."""

    @property
    def kind(self) -> Kind:
        """Which of the two it is."""

    @property
    def arm(self) -> Arm:
        """Where the vault answers."""

    @property
    def place(self) -> Place:
        """Where the checks take place."""

    @property
    def files(self) -> Files:
        """The files of the shares."""

    def prepare(self) -> None:
        """Make the shares, the vault, the protection and a recovery point of `place.FILES`."""

    def deploy(self) -> Conversation:
        """Deploy the app with the place's guards; its queues."""

    def make_share(self, share: Share) -> None:
        """Make a share of the target account."""

    def tear_down(self) -> list[Kept]:
        """Take everything away; what stays."""
