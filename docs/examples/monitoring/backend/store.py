"""The readings, in PostgreSQL. The password comes from a secret's file and is nowhere else."""

import os
from contextlib import contextmanager
from pathlib import Path

import psycopg2

PASSWORD = Path(os.environ.get("DATABASE_PASSWORD_FILE", "/run/secrets/database_password"))
TABLE = """
CREATE TABLE IF NOT EXISTS readings (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	host text NOT NULL,
	value double precision NOT NULL,
	at timestamptz NOT NULL DEFAULT now()
)"""


class Unavailable(Exception):
    """The database can not be used now; the text says why, for people."""


@contextmanager
def cursor():
    """A transaction of its own: committed at the end, rolled back after an error."""
    connection = None
    try:
        connection = psycopg2.connect(
            host=os.environ.get("DATABASE_HOST", "database"), dbname="monitoring",
            user="monitoring", password=PASSWORD.read_text().strip(), connect_timeout=3)
        with connection, connection.cursor() as cur:
            yield cur
    except OSError as why:
        raise Unavailable(f"{PASSWORD}: {why.strerror}") from None
    except psycopg2.Error as why:
        raise Unavailable(f"database: {str(why).strip()}") from None
    finally:
        if connection:
            connection.close()


def ping():
    with cursor() as cur:
        cur.execute("SELECT 1")


@contextmanager
def readings():
    """The same with the table there: a database can be new at any time."""
    with cursor() as cur:
        # Two at once must not both make it: one waits here for the other.
        cur.execute("SELECT pg_advisory_xact_lock(1)")
        cur.execute(TABLE)
        yield cur


def add(host, value):
    with readings() as cur:
        cur.execute("INSERT INTO readings (host, value) VALUES (%s, %s) RETURNING id",
                    (host, value))
        return cur.fetchone()[0]


def newest(number=1000):
    """The newest readings, oldest first."""
    with readings() as cur:
        cur.execute("SELECT id, host, value, at FROM readings ORDER BY id DESC LIMIT %s",
                    (number,))
        return [{"id": i, "host": host, "value": value, "at": at.isoformat()}
                for i, host, value, at in reversed(cur.fetchall())]


def clear():
    with readings() as cur:
        cur.execute("DELETE FROM readings")
        return cur.rowcount


def summary():
    """What is known of each host."""
    with readings() as cur:
        cur.execute("SELECT host, count(*), avg(value), max(value) FROM readings"
                    " GROUP BY host ORDER BY host")
        hosts = {host: {"number": number, "mean": mean, "highest": highest}
                 for host, number, mean, highest in cur.fetchall()}
    return {"readings": sum(one["number"] for one in hosts.values()), "hosts": hosts}
