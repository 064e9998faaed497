"""The command line on a terminal of its own; no test by itself."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
from pathlib import Path

PULLTASKS = Path(sys.executable).parent / "pulltasks"


def on_a_terminal(*arguments: str, columns: int = 0, program: Path | str = PULLTASKS) -> tuple[int, bytes]:
    """The exit code and all that was said; without `columns` the terminal does not say how wide it is."""
    child, terminal = pty.fork()
    if child == 0:
        if columns:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        os.environ["TERM"] = "xterm-256color"
        os.unsetenv("COLUMNS")  # readline sets it behind the back of os.environ, and Rich believes it
        os.execv(program, [str(program), *arguments])
    said = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    return code, said
