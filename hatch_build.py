"""Build hook: a wheel carries the revision of the tree that it was built from, for the records of whoever installs
it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    """Writes fer_bench/revision.json, which ``fer_bench.records.provenance.git_state`` reads where there is no
    checkout.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        # An editable install has the checkout itself.
        if version == "editable" or not (Path(self.root) / ".git").exists():
            return
        try:
            revision = self._git("rev-parse", "HEAD")
            changes = self._git("status", "--porcelain", "--", ".", ":(exclude)results")
        except (OSError, subprocess.CalledProcessError):
            return
        file = Path(tempfile.mkdtemp()) / "revision.json"
        file.write_text(json.dumps({"revision": revision, "dirty": bool(changes)}), encoding="utf-8")
        build_data["force_include"][str(file)] = "fer_bench/revision.json"

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", self.root, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
