"""Stands in for rclone where it is not installed: the commands that are used, over a folder, and a log of each.

What it is told beside that lies in `faults.json` next to it, a list of `[command, what, number]`: the number-th call of
that command ("any" for all) ends with a text on stderr, waits for some seconds, or is cut.
"""

import hashlib
import json
import os
import pathlib
import shutil
import sys
import time

HERE = pathlib.Path(__file__)
LOG, FAULTS = HERE.with_name("log.ndjson"), HERE.with_name("faults.json")


def place(argument):
    if argument.startswith("there:"):
        return pathlib.Path(os.environ["RCLONE_CONFIG_THERE_REMOTE"]) / argument.removeprefix("there:")
    return pathlib.Path(argument)


def fail(code, text):
    sys.stderr.write(text + "\n")
    sys.exit(code)


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def put(names, source, target, kept, *, is_moved):
    for name in names:
        if not (source / name).is_file():
            continue
        if kept and (target / name).is_file():
            (kept / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).replace(kept / name)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name)
        if is_moved:
            (source / name).unlink()


def delete(names, folder):
    for name in names:
        (folder / name).unlink(missing_ok=True)


def cat(path):
    if not path.is_file():
        fail(3, "directory not found")
    sys.stdout.buffer.write(path.read_bytes())


def rcat(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def lsf(folder, *, is_deep):
    if is_deep:
        for path in files(folder):
            digest = hashlib.md5(path.read_bytes()).hexdigest()
            sys.stdout.write(f"{digest}\t{path.stat().st_size}\t{path.relative_to(folder).as_posix()}\n")
        return
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        sys.stdout.write(path.name + ("/\n" if path.is_dir() else "\n"))


def check(names, here, there):
    signs = {
        name: "=" if same(here / name, there / name) else "*" if (there / name).is_file() else "+" for name in names
    }
    for name, sign in signs.items():
        sys.stdout.write(f"{sign} {name}\n")
    if set(signs.values()) - {"="}:
        fail(1, "Failed to check: differences found")


def same(here, there):
    return there.is_file() and there.read_bytes() == here.read_bytes()


def go_wrong(command):
    """Do what faults.json says of this call."""
    calls = [json.loads(line)["argv"][0] for line in LOG.read_text().splitlines()]
    for wanted, what, number in json.loads(FAULTS.read_text()) if FAULTS.exists() else []:
        if wanted in {"any", command} and number in {0, len(calls) if wanted == "any" else calls.count(command)}:
            if isinstance(what, str):
                fail(1, what)
            time.sleep(what)


def main():
    command, *arguments = sys.argv[1:]
    given = sys.stdin.buffer.read() if "--files-from-raw" in arguments or command == "rcat" else b""
    names = given.decode().splitlines() if command != "rcat" else []
    with LOG.open("a") as log:
        log.write(json.dumps({"argv": [command, *arguments], "env": dict(os.environ), "names": names}) + "\n")
    go_wrong(command)
    if command == "copy" and "--files-from-raw" not in arguments:
        whole = place(arguments[-2])
        names = [path.relative_to(whole).as_posix() for path in files(whole)]
    kept = arguments[arguments.index("--backup-dir") + 1] if "--backup-dir" in arguments else None
    paths = [place(each) for each in arguments if each.startswith(("there:", "/")) and each != kept]
    {
        "copy": lambda: put(names, *paths, kept and place(kept), is_moved=False),
        "move": lambda: put(names, *paths, None, is_moved=True),
        "delete": lambda: delete(names, *paths),
        "cat": lambda: cat(*paths),
        "rcat": lambda: rcat(*paths, given),
        "lsf": lambda: lsf(*paths, is_deep="-R" in arguments),
        "check": lambda: check(names, *paths),
    }[command]()


main()
