"""What the worker does: reports on all readings, asked for by the backend and every minute."""

import json
import os

import redis
from celery import Celery
from celery.backends.redis import RedisBackend

import store

CACHE = os.environ.get("CACHE_URL", "redis://cache:6379/0")
LATEST = "report:latest"


class Results(RedisBackend):
    """Results are asked for, not waited for: nobody subscribes to that of a task. redis-py 6.1 hangs
    for ever in a subscription whose Redis was restarted."""

    def on_task_call(self, producer, task_id):
        pass


app = Celery("tasks", broker=CACHE, backend="tasks:Results+" + CACHE)
app.conf.update(
    broker_connection_retry_on_startup=True,
    # While the cache's container is restarted nobody answers at its address, and a connect without a
    # limit of its own then waits for minutes, deaf to everything, SIGTERM too.
    broker_transport_options={"socket_connect_timeout": 3},
    redis_socket_connect_timeout=3,
    result_expires=3600,
    task_time_limit=60,
    worker_concurrency=2,
    beat_schedule={"report": {"task": "tasks.report", "options": {"ignore_result": True},
                              "schedule": float(os.environ.get("REPORT_SECONDS", "60"))}},
)


def cache():
    return redis.Redis.from_url(CACHE, socket_timeout=3, socket_connect_timeout=3)


@app.task(autoretry_for=(store.Unavailable,), max_retries=3, default_retry_delay=2)
def report():
    """Counts, means and highest values by host; the latest one is kept for everybody."""
    made = store.summary()
    cache().set(LATEST, json.dumps(made))
    return made
