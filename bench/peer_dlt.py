"""Measure dlt's `rest_api` source to Parquet files, as in its documentation; it runs in its own environment.

The vendor's signer signs the requests, as an auth class of dlt; nothing is proved, and no warehouse is built.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import dlt
from dlt.common.configuration import configspec
from dlt.sources.helpers.rest_client.auth import AuthConfigBase
from dlt.sources.rest_api import rest_api_source
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

if TYPE_CHECKING:
    import requests


class Keys:
    """The access key, in the form that the signer needs."""

    ak, sk = "SANDBOXACCESSKEY0001", "sandbox-secret-key-for-demo-and-tests-01"


@configspec
class Signed(AuthConfigBase):
    """Signs each request."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the signature to the headers, and return the request."""
        url = urlsplit(request.url)
        signed = Signer(Keys()).sign(
            SdkRequest(
                method="GET",
                schema=url.scheme,
                host=url.netloc,
                resource_path=url.path,
                query_params=parse_qsl(url.query),
                header_params={"X-Sdk-Date": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"},
                body="",
            )
        )
        request.headers.update(signed.header_params)
        return request


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--workers", type=int, help="list resources in parallel, with so many workers (dlt has 5)")
    options = parser.parse_args()
    settings = tomllib.loads(options.config.read_text())
    folder = options.config.parent / "dlt"
    shutil.rmtree(folder, ignore_errors=True)
    os.environ["DLT_DATA_DIR"] = str(folder / "state")
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"  # a request to another server would distort the figures
    if options.workers:
        os.environ["EXTRACT__WORKERS"] = os.environ["EXTRACT__MAX_PARALLEL_ITEMS"] = str(options.workers)
    paginator = {"type": "offset", "limit": 100, "total_path": "total"}
    source = rest_api_source(
        {
            "client": {"base_url": settings["api"]["endpoint"], "auth": Signed(), "paginator": paginator},
            "resources": [
                {
                    "name": f"tasks_{n}",
                    "table_name": "pull_tasks",
                    "endpoint": {
                        "path": f"v1/{target['project_id']}/pull/stream/task",
                        "params": {"region": target["region"]},
                        "data_selector": "task_infos",
                    },
                }
                for n, target in enumerate(settings["targets"])
            ],
        }
    )
    if options.workers:
        for resource in source.resources.values():
            resource.parallelize()
    began = time.process_time()
    pipeline = dlt.pipeline(
        "peer", destination=dlt.destinations.filesystem(str(folder / "out")), dataset_name="live", pipelines_dir=folder
    )
    pipeline.run(source, loader_file_format="parquet")
    spent = time.process_time() - began
    rows = pipeline.last_trace.last_normalize_info.row_counts["pull_tasks"]
    size = sum(path.stat().st_size for path in (folder / "out").rglob("*.parquet"))
    print(json.dumps({"tasks": rows, "bytes": size, "cpu_s": spent}))


if __name__ == "__main__":
    main()
