"""Records in Weights & Biases: kept in a folder, to be sent by ``wandb sync``, or sent at once."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from contextlib import suppress
from pathlib import Path

from ..errors import InputError, visible
from ..files import durable
from .account import Account, Outcome
from .needs import check_installed

#: In the folder of a run that was logged whole: which record that was.
MARK = "fer-bench.json"


class WandB:
    """The tracker of a project. Unless it is ``online``, nothing leaves the computer.

    A run's id is that of its record and of what that said: W&B never replaces a run, and so a record that has changed
    becomes another run, in the same group. Of those that were not sent yet the earlier one goes.
    """

    def __init__(self, folder: str | None, project: str, online: bool) -> None:
        """Raises InputError where wandb is not installed, the folder can't be written, or nobody is logged in."""
        check_installed("wandb", "wandb")
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # to its makers
        import wandb

        self.root = Path(folder or os.environ.get("WANDB_DIR") or ".").absolute()
        try:
            (self.root / "wandb").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--out {self.root}: {error.strerror}; give another folder") from None
        if online and not wandb.login(prompt=False, verify=False):
            raise InputError("--online: nobody is logged in at W&B; `wandb login` does that, or leave --online out")
        self.project, self.online = project, online
        self.place = str(self.root / "wandb")
        self.look = "" if online else f"wandb sync {shlex.quote(self.place)}/offline-run-*"

    def log(self, account: Account) -> Outcome:
        """A run of the project, unless its folder is here and says that it is whole."""
        kind = "run" if self.online else "offline-run"
        earlier = []
        for mark in (self.root / "wandb").glob(f"{kind}-*-{account.id}-*"):
            known = _marked(mark / MARK)
            if known == account.digest:
                return "there"
            if not (self.online or (known and list(mark.glob("*.synced")))):
                earlier.append((mark, known))
        self._add(account)
        for folder, _ in earlier:
            shutil.rmtree(folder)
        return "changed" if any(known for _, known in earlier) else "new"

    def _add(self, account: Account) -> None:
        import wandb

        settings = wandb.Settings(
            mode="online" if self.online else "offline",
            root_dir=str(self.root),
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            x_disable_stats=True,
            x_disable_meta=True,
            x_save_requirements=False,
        )
        try:
            run = wandb.init(
                project=self.project,
                id=f"{account.id}-{account.digest[:8]}",
                name=account.name,
                group=account.key[:16],
                config={**account.parameters, **{f"record.{name}": value for name, value in account.tags.items()}},
                tags=[account.status, account.tags.get("family", "run")],
                resume="allow",
                settings=settings,
            )
            sync = Path(run.settings.sync_dir)
            for epoch in account.epochs:
                run.log(dict(epoch.figures), step=epoch.step)
            run.summary.update(dict(account.figures))
            for name, content in account.files.items():
                (Path(run.dir) / name).write_bytes(content)
                run.save(str(Path(run.dir) / name), base_path=run.dir, policy="now")
            run.finish(exit_code=0 if account.status == "ok" else 1)
        except (wandb.errors.Error, OSError) as error:
            raise InputError(f"W&B: {visible(' '.join(str(error).split()))[:300]}") from error
        durable.write(sync / MARK, json.dumps({"record": account.id, "digest": account.digest}).encode())

    def close(self) -> None:
        """Ends the process that wandb started."""
        import wandb

        wandb.teardown()


def _marked(path: Path) -> str:
    """The digest of what was logged into a folder; "" where that was not finished."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(path.read_bytes())["digest"])
    return ""
