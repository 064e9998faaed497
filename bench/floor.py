"""Measure the floor: plain asyncio sockets, and DuckDB's `read_json` to Parquet. Nothing is proved, stored or retried.

Requests are signed by hand, because the sandbox refuses unsigned ones; answers must have a Content-Length.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterator

AK, SK = "SANDBOXACCESSKEY0001", b"sandbox-secret-key-for-demo-and-tests-01"
EMPTY = hashlib.sha256(b"").hexdigest()


def request(host: str, project_id: str, region: str, offset: int) -> bytes:
    # the signature covers the path with a slash at its end, the request itself goes without
    path, query = f"/v1/{project_id}/pull/stream/task", f"limit=100&offset={offset}&region={region}"
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    canonical = f"GET\n{path}/\n{query}\nhost:{host}\nx-sdk-date:{stamp}\n\nhost;x-sdk-date\n{EMPTY}"
    text = f"SDK-HMAC-SHA256\n{stamp}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(SK, text.encode(), "sha256").hex()
    claim = f"SDK-HMAC-SHA256 Access={AK}, SignedHeaders=host;x-sdk-date, Signature={signature}"
    return (
        f"GET {path}?{query} HTTP/1.1\r\nHost: {host}\r\nX-Sdk-Date: {stamp}\r\nAuthorization: {claim}\r\n\r\n".encode()
    )


async def worker(host: str, pages: Iterator[tuple[str, str, int]], folder: Path, number: int) -> None:
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port), limit=1 << 20)
    with (folder / f"{number}.ndjson").open("wb") as out:
        for page in pages:
            writer.write(request(host, *page))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            out.write(await reader.readexactly(length) + b"\n")
    writer.close()


async def fetch(host: str, pages: Iterator[tuple[str, str, int]], folder: Path, in_flight: int) -> None:
    # all workers share one iterator, so each page is requested once
    await asyncio.gather(*(worker(host, pages, folder, n) for n in range(in_flight)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--tasks", type=int, required=True, help="of each target")
    options = parser.parse_args()
    settings = tomllib.loads(options.config.read_text())
    folder = options.config.parent / "floor"
    folder.mkdir(exist_ok=True)
    host = urlsplit(settings["api"]["endpoint"]).netloc
    pages = [
        (t["project_id"], t["region"], n) for t in settings["targets"] for n in range(0, max(1, options.tasks), 100)
    ]
    began = time.process_time()
    asyncio.run(fetch(host, iter(pages), folder, settings["api"]["max_concurrency"]))
    fetched = time.process_time() - began
    connection = duckdb.connect(config={"temp_directory": str(folder / "spill")})
    connection.execute(
        f"create table tasks as select unnest(task_infos, recursive := false) as task "
        f"from read_json('{folder}/*.ndjson', format = 'newline_delimited', maximum_object_size = 33554432)"
    )
    plain = "unnest(task)"
    for name, select in {
        "pull_tasks": f"select {plain} from tasks",
        "pull_task_source_urls": "select task.task_id, unnest(task.source_urls) as url from tasks",
        "pull_task_backup_urls": "select task.task_id, unnest(task.backup_source_urls) as url from tasks",
        "pull_task_callback_events": "select task.task_id, unnest(task.callback_events) as event from tasks",
    }.items():
        connection.execute(f"copy ({select}) to '{folder}/{name}.parquet' (format parquet, compression zstd)")
    ((rows,),) = connection.execute("select count(*) from tasks").fetchall()
    spent = time.process_time() - began
    size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    print(json.dumps({"pages": len(pages), "tasks": rows, "bytes": size, "cpu_s": spent, "fetch_cpu_s": fetched}))


if __name__ == "__main__":
    main()
