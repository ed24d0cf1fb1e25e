"""Commands that talk: chat, resume, sessions."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from atlas.cli.common import Cluster, EngineName, Output, Yes, application, report, with_output

if TYPE_CHECKING:
    from atlas.conversations.session import Conversation
    from atlas.errors import AtlasError
    from atlas.ports.store import Message

sessions = typer.Typer(help="Saved sessions: what was said, planned and done.", no_args_is_help=True)

SessionId = Annotated[
    str | None, typer.Argument(metavar="SESSION", help="The session; a prefix will do.", show_default=False)
]

_WORDS = {"quit", "exit", "bye", ":q"}


@with_output
def chat(
    out: Output,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="WORDS", help="What you want, in words.", show_default=False)
    ] = None,
    cluster: Cluster = None,
    engine: EngineName = "auto",
) -> None:
    """Say what you want; the agents ask what only you know, show the plan, and carry it out when you say yes."""
    app = application(out, cluster, engine)
    conversation = app.talk(app.profile(cluster).name)
    out.print(f"[dim]session {conversation.id}; say what you want, `help`, or `quit`[/]")
    _talk(conversation, out, " ".join(words) if words else None)


@with_output
def resume(
    out: Output,
    session: SessionId = None,
    yes: Yes = False,
    engine: EngineName = "auto",
) -> None:
    """Go on with a session where it stopped, after a crash too; without a name, the latest unfinished one."""
    from atlas.cli.run import finish
    from atlas.errors import UsageError
    from atlas.events import EventType
    from atlas.phases import Phase

    app = application(out, None, engine)
    found = app.store.session(session) if session else app.unfinished()
    out.emit.within(session=found.id)(EventType.SESSION_STARTED, origin=found.origin, resumed=True)
    conversation = app.conversation(found)
    out.print(f"[dim]session {found.id}, {found.phase.value}[/]")
    if found.origin != "chat":
        if found.phase is Phase.COLLECTING:
            text = f"session {found.id} waits for a change of its spec, and only the file can be changed"
            raise UsageError(text, f"change it, then: atlas apply {found.origin}")
        finish(app, conversation, out, yes=yes)
        return
    _retell(app.store.messages(found.id, 4), out)
    after = conversation.resume()
    if yes and after.phase == "awaiting_approval":
        conversation.say("yes")
    _talk(conversation, out, None)


def _talk(conversation: Conversation, out: Output, first: str | None) -> None:
    """Take lines until the person leaves or the input ends; then the session's phase decides the exit code."""
    from rich.markup import escape

    from atlas.errors import AtlasError
    from atlas.events import EventType

    failure: AtlasError | None = None
    for line in _lines(out, first):
        if line.lower() in _WORDS:
            break
        if not sys.stdin.isatty():
            out.emit(EventType.NOTE, text=f"you: {line}")
        failure = None
        try:
            conversation.say(line)
        except AtlasError as problem:
            failure = problem
            report(out.emit, problem)
        else:
            if out.quiet:  # what is asked is no chatter
                out.print(escape(conversation.last))
    _farewell(conversation, out, failure)


def _lines(out: Output, first: str | None) -> Iterator[str]:
    if first is not None:
        yield first
    if not out.interactive:
        yield from (line.strip() for line in sys.stdin if line.strip() and not line.startswith("#"))
        return
    from prompt_toolkit import PromptSession

    prompt: PromptSession[str] = PromptSession()
    while True:
        try:
            line = prompt.prompt("> ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if line:
            yield line


def _farewell(conversation: Conversation, out: Output, failure: AtlasError | None) -> None:
    from atlas.errors import ExitCode
    from atlas.phases import TABLE, Phase

    session, last = conversation.session, conversation.speaker
    if last is None:
        return  # nothing was said, so there is nothing to go on with
    if session.phase not in (Phase.DONE, Phase.CANCELLED):
        out.print(f"[dim]saved as {session.id} ({session.phase.value}); `atlas resume {session.id}` goes on[/]")
    else:
        out.print(f"[dim]saved as {session.id}; `atlas sessions show {session.id}` shows it[/]")
    if failure is not None:
        raise typer.Exit(int(failure.exit_code))
    if session.phase is Phase.FAILED:
        raise typer.Exit(int(ExitCode.FAILED))
    if out.interactive:
        return
    if session.phase is Phase.AWAITING_APPROVAL:  # a script has to know; a person does
        raise typer.Exit(int(ExitCode.NOT_APPROVED))
    if session.phase is Phase.COLLECTING and last == TABLE[session.phase].agent:  # it has asked, and got no answer
        raise typer.Exit(int(ExitCode.WRONG_USE))


def _retell(messages: Sequence[Message], out: Output) -> None:
    from atlas.events import EventType

    for message in messages:
        out.emit(EventType.MESSAGE, source=message.source, text=message.text)


@sessions.command("list")
@with_output
def list_(out: Output) -> None:
    """List the sessions, the latest first."""
    from atlas.cli.tables import table, when

    found = application(out, None).store.sessions()
    rows = [(s.id, s.phase.value, s.cluster or "", s.stack or "", s.origin, when(s.updated)) for s in found]
    names = ("session", "phase", "cluster", "stack", "origin", "updated")
    out.result({"sessions": [dict(zip(names, row, strict=True)) for row in rows]})
    out.print(table(names, rows) if rows else "no sessions yet; begin with `atlas chat`")


@sessions.command()
@with_output
def show(
    out: Output, session: Annotated[str, typer.Argument(metavar="SESSION", help="The session; a prefix will do.")]
) -> None:
    """Show a session: every message, its plan and its run."""
    from dataclasses import asdict

    from rich.markup import escape

    from atlas.cli.tables import when

    store = application(out, None).store
    found = store.session(session)
    messages = store.messages(found.id)
    run = store.run(found.run) if found.run else None
    out.result(
        {
            "session": {**asdict(found), "phase": found.phase.value},
            "messages": [asdict(m) for m in messages],
            "run": asdict(run) if run else None,
        }
    )
    out.print(f"[bold]{found.id}[/]  {found.phase.value}  cluster {found.cluster}  stack {found.stack or '-'}")
    for message in messages:
        out.print(f"\n[cyan]{message.source}[/] [dim]{when(message.ts)}[/]")
        out.print(escape(message.text))
    if run is not None:
        out.print(f"\nrun {run.id}: {run.result or run.stage}{f', {escape(run.reason)}' if run.reason else ''}")
