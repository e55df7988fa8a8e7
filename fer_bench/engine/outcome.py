"""What became of a worker: what it says, what its exception means, and what its end means where it said nothing."""

from __future__ import annotations

import errno
import json
import re
import signal
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InputError, is_disk_full
from ..files import inside
from ..files.json_file import MOST_BYTES
from ..records.record import Cost, Environment, Failure, Status, Training

#: The exit code of a worker that had no space to write its outcome (EX_IOERR of sysexits.h).
DISK_FULL_CODE = 74
#: Of a worker's output, what a record keeps: so many lines, each of so many characters at most.
LOG_LINES, LOG_WIDTH = 20, 500
_LOG_BYTES = 64 * 1024

DISK_FULL = "the disk is full, or a limit on the size of files was reached"
DISK_FULL_HINT = "free some space, then --rerun failed"
MEMORY_HINT = "try --retries 1 (with half the batch, where there is one), fewer --jobs, --limit, or a smaller recipe"
LOG_HINT = "log_tail in its record has its last lines"

#: How frameworks and allocators say that memory ran out.
_MEMORY = re.compile(
    "RESOURCE_EXHAUSTED|bad_alloc|bad allocation|out of memory|OUT_OF_MEMORY|Cannot allocate memory"
    "|OOM when allocating",
    re.IGNORECASE,
)


class RanOn(BaseModel):
    """Backend, device and threads as the worker found them."""

    model_config = ConfigDict(extra="forbid")

    backend: str = ""
    device: str = ""
    threads: dict[str, int] = {}


class Outcome(BaseModel):
    """What became of a worker, as it stands in ``outcome.json``.

    ``transient``: another attempt, on the same terms or with less memory, may go well. ``wrong_input``: what it was
    given can't be used, as it says itself; nothing crashed. ``tta_cost`` is that of predicting with test-time
    augmentation.
    """

    status: Status
    message: str = ""
    hint: str = ""
    transient: bool = False
    wrong_input: bool = False
    training: Training = Field(default_factory=Training)
    cost: Cost = Field(default_factory=Cost)
    tta_cost: Cost = Field(default_factory=Cost)
    ran_on: RanOn = Field(default_factory=RanOn)

    def to_json(self) -> str:
        """All of it as JSON; what a runner has said stands there as it is, for ``read`` to check."""
        return json.dumps(self.model_dump(warnings=False), default=str)

    def where(self, planned: Environment) -> Environment:
        """The environment that was planned for, with what the worker found instead."""
        return planned.model_copy(update=self.ran_on.model_dump(exclude_unset=True))

    def failure(self, log: Path) -> Failure:
        """Message and hint, with the last lines of the worker's output, which ``log`` holds."""
        return Failure(message=one_line(self.message), hint=one_line(self.hint), log_tail=tail(log))


STOPPED = Outcome(status="interrupted", message="stopped by the user", hint="run the same command again")


def raised(error: BaseException) -> Outcome:
    """The outcome of an exception that a runner did not catch."""
    kind = type(error).__name__
    text = one_line(str(error))
    if isinstance(error, InputError):
        return Outcome(status="error", message=text, wrong_input=True)
    if isinstance(error, SystemExit):
        return Outcome(
            status="error", message=f"the runner called sys.exit({error.code!r})", hint="it should return, or raise"
        )
    if is_disk_full(error):
        return Outcome(status="error", message=f"{DISK_FULL}: {text}", hint=DISK_FULL_HINT)
    if is_out_of_memory(error):
        return Outcome(status="oom", message=f"out of memory: {kind}: {text}", hint=MEMORY_HINT, transient=True)
    return Outcome(status="error", message=f"{kind}: {text}", hint=LOG_HINT)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the memory of the machine or the GPU ran out, whichever library raised it."""
    if isinstance(error, MemoryError) or type(error).__name__ in ("ResourceExhaustedError", "OutOfMemoryError"):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError | ValueError) and _MEMORY.search(str(error)) is not None


def hung(seconds: float) -> Outcome:
    """The outcome of a worker that stood still for so many seconds."""
    message = f"hung: for {seconds:g} s it neither reported progress nor used the processor"
    return Outcome(status="timeout", message=message, hint=f"--stall gives it more time; {LOG_HINT}", transient=True)


def read(path: Path) -> Outcome | None:
    """The outcome that a worker wrote; None where it wrote none. One that makes no sense is an error of the run's."""
    try:
        return Outcome.model_validate(json.loads(inside.read(path.parent, path, MOST_BYTES)))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except (OSError, ValueError, RecursionError, InputError) as error:
        why = str(error)
    return Outcome(status="error", message=f"the run's account of itself is not valid ({one_line(why)})", hint=LOG_HINT)


def ended(code: int, log: Path, oom_kills: int | None) -> Outcome:
    """The outcome of a worker that ended with ``code`` and wrote none.

    Args:
        code: its exit code, or minus the number of its signal.
        log: its output.
        oom_kills: how many processes the kernel killed for want of memory meanwhile; None where it does not tell.
    """
    if code >= 0:
        if code == DISK_FULL_CODE:
            return Outcome(status="error", message=DISK_FULL, hint=DISK_FULL_HINT)
        hint = f"a runner, or a library, called os._exit; {LOG_HINT}"
        message = f"the worker ended with code {code} without an outcome"
        return Outcome(status="error", message=message, hint=hint, transient=True)
    how = signal_name(-code)
    if -code == getattr(signal, "SIGKILL", None):
        if oom_kills == 0:
            message, hint = f"the worker was killed from outside ({how})", "--rerun failed, or --retries, tries again"
            return Outcome(status="error", message=message, hint=hint, transient=True)
        who = "the kernel killed the worker" if oom_kills else "the worker was killed, probably by the kernel"
        return Outcome(status="oom", message=f"out of memory: {who} ({how})", hint=MEMORY_HINT, transient=True)
    if -code in (signal.SIGTERM, signal.SIGINT, getattr(signal, "SIGHUP", None)):
        message = f"the worker was ended from outside ({how})"
        return Outcome(status="interrupted", message=message, hint="run the same command again", transient=True)
    if any(_MEMORY.search(line) for line in tail(log)):
        return Outcome(status="oom", message=f"out of memory: {how}", hint=MEMORY_HINT, transient=True)
    hint = f"a fault in native code, not in Python; {LOG_HINT}"
    return Outcome(status="error", message=f"the worker crashed ({how})", hint=hint, transient=True)


def signal_name(number: int) -> str:
    """The number and name of a signal: "signal 11, SIGSEGV"."""
    try:
        return f"signal {number}, {signal.Signals(number).name}"
    except ValueError:
        return f"signal {number}"


def oom_kills() -> int | None:
    """Processes that the kernel has killed for want of memory since it started; None where it does not tell."""
    try:
        counters = Path("/proc/vmstat").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^oom_kill (\d+)$", counters, re.MULTILINE)
    return int(found[1]) if found else None


def tail(log: Path) -> list[str]:
    """The last lines of a worker's output, without what a terminal would take for a command."""
    try:
        lines = inside.read_end(log.parent, log, _LOG_BYTES).decode("utf-8", "replace").splitlines()
    except (OSError, InputError):  # a runner has put something else in its place
        return []
    return [printable(line)[:LOG_WIDTH] for line in lines[-LOG_LINES:]]


def one_line(text: str) -> str:
    """``text`` on one line, of 500 characters at most."""
    return printable(" ".join(text.split()))[:LOG_WIDTH]


def printable(text: str) -> str:
    """``text`` without control characters, tabs excepted; the replacement character stands for each."""
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)
