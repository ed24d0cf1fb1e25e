"""Uploads to a storage."""

from __future__ import annotations

from pathlib import Path

from atlas.lab.call import Call, PVEError, api
from atlas.lab.storage_files import check_place, checksums, keep, look_into, verify
from atlas.lab.tasks import Task
from atlas.lab.volume_ids import file_path

_SECONDS_PER_GIB = 4.0


@api("POST", "/nodes/{node}/storage/{storage}/upload")
def upload(call: Call) -> str:
    """Store an uploaded file; one of the same name is overwritten."""
    params = call.params
    storage, name, form = check_place(call, "storage '{storage}' does not support '{content}' content", late=True)
    if call.upload is None:
        raise PVEError(500, "missing temporary file name")
    incoming, size = Path(call.upload.path), call.upload.size
    kept = incoming.with_name(f"{incoming.name}.task")  # the request's own copy goes when the call is answered
    incoming.rename(kept)
    target = file_path(call.lab, f"{storage.id}:{params['content']}/{name}")

    async def work(task: Task) -> None:
        try:
            task.log(f"starting file import from: {kept}")
            await task.spend(0.2)
            sums = await checksums(str(kept))
            verify(sums, params, task)
            inner = look_into(str(kept), params["content"], form, str(kept))
            task.log(f"target node: {params['node']}\ntarget file: {target}\nfile size is: {size}")
            await task.spend(0.3 + _SECONDS_PER_GIB * size / 1024**3, f"command: cp -- {kept} {target}")
            await keep(call, storage, name, form, str(kept), inner, sums)
            task.log("finished file import successfully")
        finally:
            kept.unlink(missing_ok=True)

    return call.task("imgcopy", "", work)
