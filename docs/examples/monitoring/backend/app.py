"""The backend of the monitoring example: readings, reports and backups over HTTP."""

import json
import os
import secrets
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated
from uuid import UUID

import kombu.exceptions
import redis
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, Field

import store
import tasks

BACKUPS = Path("/backups")
ADMIN_PASSWORD = Path("/tmp/admin_password.txt")


@asynccontextmanager
async def lifespan(_):
    """A new password for the administrator at each start, for the owner of the file only."""
    ADMIN_PASSWORD.unlink(missing_ok=True)
    file = os.open(ADMIN_PASSWORD, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w") as out:
        out.write(secrets.token_urlsafe(24) + "\n")
    yield


app = FastAPI(title="Monitoring", lifespan=lifespan)


@app.exception_handler(store.Unavailable)
@app.exception_handler(redis.RedisError)
@app.exception_handler(kombu.exceptions.OperationalError)
def unavailable(_, why):
    """Another part is away: that is no error of this one, and not for ever."""
    return JSONResponse({"detail": str(why)}, status_code=503, headers={"Retry-After": "5"})


def admin(who: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]):
    right = ADMIN_PASSWORD.read_text().strip()
    if not secrets.compare_digest(f"{who.username}:{who.password}".encode(),
                                  f"admin:{right}".encode()):
        raise HTTPException(401, "not the administrator", {"WWW-Authenticate": "Basic"})


class Reading(BaseModel):
    host: str = Field(min_length=1, max_length=253)
    value: float = Field(allow_inf_nan=False)


@app.get("/api/health")
def health():
    """200 when all that this part stands on answers, too."""
    store.ping()
    tasks.cache().ping()
    return {"status": "ok"}


@app.post("/api/readings")
def add_reading(reading: Reading):
    return {"id": store.add(reading.host, reading.value)}


@app.get("/api/readings")
def readings():
    return store.newest()


@app.delete("/api/readings", dependencies=[Depends(admin)])
def clear_readings():
    return {"deleted": store.clear()}


@app.post("/api/reports")
def ask_for_report():
    return {"task": tasks.report.apply_async(retry=False).id}


@app.get("/api/reports/latest")
def latest_report():
    found = tasks.cache().get(tasks.LATEST)
    if not found:
        raise HTTPException(404, "no report yet")
    return json.loads(found)


@app.get("/api/reports/{task}")
def report(task: UUID):
    """PENDING is also what nobody ever asked for: Celery does not tell them apart."""
    known = tasks.report.AsyncResult(str(task))
    # The state first: a result that is asked for a moment before it is there would be none.
    state, result = known.state, known.result
    return {"state": state, "result": str(result) if isinstance(result, Exception) else result}


@app.post("/api/backups")
def make_backup():
    """A backup is whole or not there: it gets its name when it is on the disk."""
    content = json.dumps(store.newest(1_000_000))
    name = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H-%M-%S.%fZ.json")
    try:
        with open(BACKUPS / f".{name}", "x", encoding="utf-8") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.rename(BACKUPS / f".{name}", BACKUPS / name)
    except OSError as why:
        raise HTTPException(500, f"{BACKUPS}: {why.strerror}") from None
    return {"name": name}


@app.get("/api/backups")
def backups():
    return sorted(path.name for path in BACKUPS.glob("[!.]*.json"))
