"""The composition root: builds adapters from settings, and is the only place that knows them all."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from atlas.errors import EngineError, NotFound, SettingsError
from atlas.events import Emitter, EventType
from atlas.phases import Phase
from atlas.settings import EngineChoice, Profile, Settings, load

if TYPE_CHECKING:
    from atlas.configs.catalogue import Cloud
    from atlas.conversations.session import Conversation
    from atlas.language.known import Known
    from atlas.ports.cluster import Engine
    from atlas.ports.store import Session, Store
    from atlas.ports.templates import Templates
    from atlas.proxmox.client import Client
    from atlas.proxmox.facts import PveCluster
    from atlas.runs.site import Site
    from atlas.state import Kind
    from atlas.steps.collect import Fill
    from atlas.steps.contract import Steps


@dataclass(slots=True)
class App:
    """What a command works with; everything is made when it is first needed.

    Args:
        emit: Takes every event.
        cluster: The cluster named on the command line.
        engine: The engine named on the command line.
    """

    emit: Emitter
    cluster: str | None = None
    engine: EngineChoice = "auto"
    settings: Settings = field(default_factory=load)
    _store: Store | None = None
    _sites: dict[str, Site] = field(default_factory=dict)
    _clients: dict[str, Client] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """Everything that survives."""
        if self._store is None:
            from atlas.store import SqliteStore

            self._store = SqliteStore(self.settings.home)
        return self._store

    @property
    def user(self) -> str:
        """Who approves: the user of the operating system."""
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return "unknown"

    def profile(self, name: str | None = None) -> Profile:
        """Return the profile of a cluster: the one named, else the command's, else the default one."""
        return self.settings.profile(name or self.cluster)

    def wanted(self, said: str | None) -> Profile:
        """Return the profile of the cluster that a spec is for: the command's, else the one it names, else the default.

        Args:
            said: What the spec says.
        """
        return self.settings.profile(self.cluster or said)

    def site(self, name: str | None = None) -> Site:
        """Return a cluster with all its adapters."""
        profile = self.profile(name)
        if profile.name not in self._sites:
            self._sites[profile.name] = self._build(profile)
        return self._sites[profile.name]

    def _build(self, profile: Profile) -> Site:
        from atlas.ansible.configurator import Ansible
        from atlas.proxmox.client import Client
        from atlas.proxmox.facts import PveCluster
        from atlas.reach.identity import identity
        from atlas.reach.ssh import SshReach
        from atlas.runs.site import Site

        home = self.settings.home
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = identity(home)
        token = profile.read_token().get_secret_value()
        ca_file = profile.ca_file.expanduser() if profile.ca_file else None
        client = Client(profile.endpoint, token, ca_file=ca_file, fingerprint=profile.fingerprint)
        self._clients[profile.name] = client
        cluster = PveCluster(profile.name, client)
        return Site(
            profile=profile,
            home=home,
            cluster=cluster,
            store=self.store,
            configurator=Ansible(),
            reach=SshReach(profile, key),
            identity=key,
            engine=partial(self._engine, profile, cluster),
        )

    def _engine(self, profile: Profile, cluster: PveCluster, wish: EngineChoice) -> tuple[Engine, str]:
        """Choose an engine: `auto` takes Terraform where program and provider can be had, else the api engine."""
        from atlas.proxmox.engine import ApiEngine

        api = ApiEngine(cluster)
        if wish == "api":
            return api, "asked for"
        from atlas.proxmox.rebooting import reboot as through_pve
        from atlas.terraform.engine import TerraformEngine

        def reboot(kind: Kind, vmid: int) -> None:
            through_pve(cluster.client, kind, vmid, self.emit)

        engine = TerraformEngine(profile, cluster, self.settings.home, reboot=reboot)
        if wish == "terraform":
            return engine, "asked for"
        try:
            engine.available()
        except EngineError as problem:
            return api, f"Terraform cannot be used here: {problem.message}"
        return engine, "Terraform and its provider are here"

    def client(self, name: str) -> Client:
        """Return the API of a cluster, for what only reads."""
        self.site(name)
        return self._clients[name]

    def templates(self, name: str) -> Templates:
        """Return what makes templates on a cluster."""
        from atlas.proxmox.templates import PveTemplates

        return PveTemplates(self.client(name))

    def published(self, cloud: Cloud) -> str:
        """Return the checksum that an image's vendor publishes today."""
        from atlas.reach.published import published

        return published(cloud.sums, cloud.url, cloud.algorithm)

    def permissions(self, name: str) -> dict[str, list[str]]:
        """Return what the token of a cluster may do, by path."""
        held = self.client(name).get("access", "permissions")
        return {path: [p for p, on in privileges.items() if on] for path, privileges in held.items()}

    def steps(self) -> Steps:
        """Return the work of each agent; the cluster of a session is known when a step is taken."""
        from atlas.steps import execute, generate, validate, verify
        from atlas.steps.collect import collector
        from atlas.steps.contract import Steps

        def site(session: str) -> Site:
            return self.site(self.store.session(session).cluster)

        def emit(session: str) -> Emitter:
            return self.emit.within(session=session)

        return Steps(
            collect=lambda session: collector(self.store, self._known(session), self._model())(session),
            validate=lambda session: validate.validate(site(session), session),
            generate=lambda session: generate.generate(site(session), session, emit(session), self.engine),
            execute=lambda session: execute.execute(site(session), session, emit(session)),
            verify=lambda session: verify.verify(site(session), session, emit(session)),
        )

    def _known(self, session: str) -> Known:
        """Return the names that the person of a session may use, and the networks of its cluster."""
        from atlas.language.known import catalogue

        try:
            pools = self.profile(self.store.session(session).cluster).pools
        except SettingsError:  # it is told when the cluster is spoken to, and keeps nobody from talking
            pools = ()
        return catalogue(pool.network for pool in pools)

    def _model(self) -> Fill | None:
        """Return the model that fills the draft, where one is configured."""
        if self.settings.model.name is None:
            return None
        from atlas.agents.model import filler

        return filler(self.settings.model)

    def open(self, origin: str, cluster: str, draft: dict[str, Any]) -> Conversation:
        """Start a session that needs no talk: a spec file, or a stack that goes."""
        session = self.store.new_session(origin, cluster)
        self.store.update_session(session.id, phase=Phase.VALIDATING, draft=draft)
        self.emit.within(session=session.id)(EventType.SESSION_STARTED, origin=origin, resumed=False)
        return self.conversation(session)

    def talk(self, cluster: str) -> Conversation:
        """Start a session with a person."""
        session = self.store.new_session("chat", cluster)
        self.emit.within(session=session.id)(EventType.SESSION_STARTED, origin="chat", resumed=False)
        return self.conversation(session)

    def conversation(self, session: Session) -> Conversation:
        """Return the runtime of a stored session; only those with a person need AutoGen."""
        from atlas.conversations.session import Conversation
        from atlas.conversations.team import alone, turn

        take = turn if session.origin == "chat" else alone
        return Conversation(
            self.store, self.steps(), self.emit, session.id, by=self.user, known=self._known(session.id), take=take
        )

    def unfinished(self) -> Session:
        """Return the latest session that can go on.

        Raises:
            NotFound: There is none.
        """
        found = next((s for s in self.store.sessions() if self._goes_on(s)), None)
        if found is None:
            raise NotFound("there is no unfinished session", "`atlas sessions list` shows all of them")
        return found

    def _goes_on(self, session: Session) -> bool:
        """Tell whether there is something to go on with that nobody would be surprised at."""
        if session.phase in (Phase.DONE, Phase.CANCELLED):
            return False
        if session.origin == "chat":  # one in which nothing was said has no more than a new one
            return bool(self.store.messages(session.id, 1))
        if "destroy" in session.draft:  # one that came to no plan is forgotten: whoever still wants it says so again
            return session.plan is not None
        return session.phase is not Phase.COLLECTING  # then the file has to change

    def cluster_of(self, stack: str) -> str:
        """Return the cluster that has a stack: the command's, else the only one that does.

        Raises:
            NotFound: None has it, or several.
        """
        if self.cluster is not None:
            return self.cluster
        found = sorted({str(s["cluster"]) for s in self.store.stacks() if s["stack"] == stack})
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFound(f"several clusters have a stack {stack!r}", f"name one with --cluster: {', '.join(found)}")
        known = sorted({str(s["stack"]) for s in self.store.stacks()})
        raise NotFound(f"there is no stack {stack!r}", f"stacks: {', '.join(known) or 'none'}")
