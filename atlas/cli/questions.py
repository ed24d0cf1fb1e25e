"""Questions of a command to a person: flags answer them beforehand, and where nobody can be asked a proposal does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import typer

from atlas.cli.common import Output, ask
from atlas.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Questions:
    """Asks each question once: the flag's value, else a person, else the proposal.

    Args:
        out: Tells whether a person is there.
    """

    out: Output

    def answer(self, flag: str, given: str | None, question: str, proposal: str | None, read: Callable[[str], T]) -> T:
        """Return the answer as a value; a person who gives a wrong one is asked again.

        Args:
            flag: The option that answers it.
            given: Its value.
            question: What a person is asked.
            proposal: What is taken for no answer; None where there must be one.
            read: Makes a value of a text; its UsageError says what is wrong with it.

        Raises:
            UsageError: The flag's value is wrong, or there is no answer and nobody to ask.
        """
        if given is not None:
            return read(given)
        if not self.out.interactive:
            if proposal is None:
                raise UsageError(f"{question} is not known, and nobody can be asked", f"give --{flag}")
            return read(proposal)
        while True:
            said = _line(f"{question}{f' [{proposal}]' if proposal else ''}:") or proposal or ""
            try:
                return read(said)
            except UsageError as problem:
                self.out.print(f"[red]{problem.message}[/]; {problem.hint}")

    def sure(self, question: str) -> bool:
        """Ask for a yes; nobody there means no."""
        return self.out.interactive and ask(f"{question} (yes/no)").lower() in ("y", "yes")


def _line(question: str) -> str:
    """Ask for a line; the end of the input ends the command."""
    try:
        return input(f"{question} ").strip()
    except EOFError:
        raise typer.Abort from None


def one_of(*words: str) -> Callable[[str], str]:
    """Return a reader of one of these words."""

    def read(text: str) -> str:
        if text not in words:
            raise UsageError(f"{text!r} is not among them", f"say one of {', '.join(words)}")
        return text

    return read
