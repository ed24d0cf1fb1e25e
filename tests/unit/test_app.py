"""What the app tells the language of a session's cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas.app import App
from atlas.events import Emitter
from atlas.settings import Settings
from atlas.store import SqliteStore

CLUSTERS = {
    "lab": {
        "endpoint": "https://192.0.2.1:8006",
        "token": {"env": "LAB_TOKEN"},
        "pools": [{"bridge": "vmbr0", "network": "10.20.0.0/22"}],
    }
}


@pytest.mark.parametrize(("cluster", "address"), [("lab", "10.20.1.7/22"), ("gone", "10.20.1.7")])
def test_a_session_is_read_with_the_networks_of_its_cluster(tmp_path: Path, cluster: str, address: str) -> None:
    store = SqliteStore(tmp_path)
    app = App(Emitter(()), settings=Settings(home=tmp_path, clusters=CLUSTERS), _store=store)
    session = store.new_session("chat", cluster)
    store.say(session.id, "user", "a debian vm on 10.20.1.7")
    draft = app.steps().collect(session.id).data["draft"]["draft"]
    store.close()
    assert draft["guests"][0]["fields"]["networks"][0]["address"] == address
