"""Runs in an environment with PySpark: statements of some fleets, and questions whose answers are written as Parquet.

Takes a plan (JSON) and a folder: `{"master", "time_zone", "fleets": [{"name", "statements", "questions": {name: sql}}]}`.
Answers lie in `folder/<fleet>/<question>`; `folder/said.json` has the version, the errors by fleet and question, and the
comments of one view. Each fleet is printed when it is answered.
"""

import json
import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession

plan, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
settings = {
    "spark.sql.session.timeZone": plan["time_zone"],
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.warehouse.dir": str(folder / "warehouse"),
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.driver.memory": plan.get("memory", "1g"),
}
builder = SparkSession.builder.master(plan["master"])
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
print(f"\nSpark {spark.version} answers {len(plan['fleets'])} fleets", flush=True)
said = {"version": spark.version, "errors": {}, "comments": {}}
for number, fleet in enumerate(plan["fleets"], 1):
    began = time.monotonic()
    spark.sql(f"create database {fleet['name']}")
    spark.sql(f"use {fleet['name']}")
    for statement in fleet["statements"]:
        try:
            spark.sql(statement)
        except Exception as error:  # noqa: BLE001 - the test shows every statement that does not run
            said["errors"][f"{fleet['name']}: {statement[:60]}"] = str(error)[:1500]
    for name, question in fleet["questions"].items():
        try:
            answer = spark.sql(question)
            answer.coalesce(1).write.parquet(str(folder / fleet["name"] / name))
            said["comments"][name] = {field.name: field.metadata.get("comment") for field in answer.schema}
        except Exception as error:  # noqa: BLE001 - likewise
            said["errors"][f"{fleet['name']}: {name}"] = str(error)[:1500]
    seconds = time.monotonic() - began
    print(f"  {number}: {fleet['name']}, {len(fleet['questions'])} questions: {seconds:.1f} s", flush=True)
spark.stop()
(folder / "said.json").write_text(json.dumps(said))
