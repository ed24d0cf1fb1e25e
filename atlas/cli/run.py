"""Commands that plan and carry out: plan, apply, destroy, verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from atlas.cli.common import Cluster, EngineName, Output, Yes, application, ask, with_output
from atlas.cli.spec import File, located, read

if TYPE_CHECKING:
    from atlas.app import App
    from atlas.conversations.session import Conversation
    from atlas.ports.store import Session

StackName = Annotated[str, typer.Argument(help="The stack's name.", metavar="STACK", show_default=False)]


@with_output
def plan(
    out: Output,
    file: File,
    cluster: Cluster = None,
    engine: EngineName = "auto",
) -> None:
    """Show what applying a spec would change; VMIDs and addresses are leased, nothing else is touched."""
    from rich.markup import escape

    from atlas.plantext import describe
    from atlas.runs.planning import plan as make

    app = application(out, cluster, engine)
    stack, source, _ = read(file, app.wanted)
    with located(source):
        made = make(app.site(app.wanted(stack.cluster).name), stack, out.emit, app.engine)
    out.print(escape(describe(made)))


@with_output
def apply(
    out: Output,
    file: File,
    yes: Yes = False,
    cluster: Cluster = None,
    engine: EngineName = "auto",
) -> None:
    """Plan a spec, let a person approve the plan, carry it out, configure the guests and verify them."""
    app = application(out, cluster, engine)
    stack, source, _ = read(file, app.wanted)
    draft = {"spec": stack.model_dump(mode="json", exclude_unset=True)}
    conversation = app.open(str(file), app.wanted(stack.cluster).name, draft)
    with located(source):
        finish(app, conversation, out, yes=yes)


@with_output
def destroy(
    out: Output,
    stack: StackName,
    yes: Yes = False,
    cluster: Cluster = None,
    engine: EngineName = "auto",
) -> None:
    """Remove every guest of a stack, after a person has approved the plan."""
    app = application(out, cluster, engine)
    name = cluster or app.cluster_of(stack)
    conversation = app.open(f"destroy {stack}", name, {"destroy": stack})
    finish(app, conversation, out, yes=yes)


@with_output
def verify(out: Output, stack: StackName, cluster: Cluster = None) -> None:
    """Look again whether a stack runs as it was applied, and carry out its checks."""
    from atlas.runs.verifying import again

    app = application(out, cluster)
    if not again(app.site(cluster or app.cluster_of(stack)), stack, out.emit):
        raise typer.Exit(1)


def finish(app: App, conversation: Conversation, out: Output, *, yes: bool) -> None:
    """Take a session to its end, with a person's decision where one is needed, and leave with its exit code."""
    from atlas.phases import Phase

    session = conversation.resume()
    if session.phase is Phase.AWAITING_APPROVAL:
        session = _decide(conversation, out, yes=yes)
    while session.phase is Phase.AWAITING_APPROVAL and out.interactive:
        session = _decide(conversation, out, yes=False)  # a repair: `--yes` was said to the plan before it
    _leave(app, session, out)


def _decide(conversation: Conversation, out: Output, *, yes: bool) -> Session:
    from rich.markup import escape

    if yes:
        return conversation.say("yes")
    if out.interactive:
        if out.quiet:  # nobody decides about a plan unseen
            out.print(escape(conversation.last))
        return conversation.say(ask(">") or "no")
    # Nobody can be asked: the executor is, and it refuses without a record; the refusal is kept in the session.
    return conversation.unapproved()


def _leave(app: App, session: Session, out: Output) -> None:
    """Raise the exit code that a session's end means."""
    from atlas.errors import ExitCode
    from atlas.events import EventType
    from atlas.phases import Phase

    run = app.store.run(session.run) if session.run else None
    if session.phase is Phase.DONE:
        if run is None:
            well = "there is no guest to delete" if "destroy" in session.draft else "everything is as the spec wants it"
            out.emit(EventType.RUN_DONE, result="nothing", reason=well)
        return
    broken = run is not None and run.result == "failed"
    if session.phase in (Phase.CANCELLED, Phase.COLLECTING, Phase.AWAITING_APPROVAL) and not broken:
        raise typer.Exit(int(ExitCode.NOT_APPROVED))
    if session.phase is Phase.AWAITING_APPROVAL:
        text = (
            f"the checks failed, and the repair needs an approval of its own: `atlas resume {session.id}` asks for it"
        )
        out.emit(EventType.NOTE, text=text)
        raise typer.Exit(int(ExitCode.FAILED))
    out.print(f"[dim]session {session.id}; `atlas resume {session.id}` goes on[/]")
    raise typer.Exit(int(ExitCode.FAILED))
