"""Uploading to the Hugging Face Hub: the user's token, one commit, and what went wrong as one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ..errors import InputError, RunError

Kind = Literal["model", "space"]
_ACCESS = (401, 403, 404)


def check_installed(why: str) -> None:
    """Raises InputError where huggingface_hub is missing; ``why`` says what needs it."""
    if find_spec("huggingface_hub") is None:
        raise InputError(f"{why} needs huggingface_hub; pip install 'fer-bench[hub]'")


def check(repository: str) -> None:
    """Raises InputError where nothing could be uploaded: no library, no token, or a name that is none.

    Args:
        repository: "user/name", or "name" for the user's own.
    """
    check_installed("--push")
    from huggingface_hub import get_token
    from huggingface_hub.utils import validate_repo_id

    with _told(repository):
        validate_repo_id(repository)
    if not get_token():
        raise InputError("--push: no token; make one with `hf auth login`, or set HF_TOKEN")


def push(repository: str, kind: Kind, files: Mapping[str, Path | bytes], message: str) -> str:
    """Uploads files, by their paths there, in one commit; returns the repository's address.

    Args:
        repository: ``check`` has passed it; it is made where it is missing.
        kind: "model", or "space" for a static page.
        files: what is uploaded.
        message: of the commit.

    Raises:
        InputError: a token that may not write there.
        RunError: the Hub can't be reached, or fails.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    operations = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in sorted(files.items())
    ]
    with _told(repository):
        HfApi().create_repo(repository, repo_type=kind, space_sdk="static" if kind == "space" else None, exist_ok=True)
        done = HfApi().create_commit(repository, operations, commit_message=message, repo_type=kind)
    return str(done.repo_url)


@contextmanager
def _told(repository: str) -> Iterator[None]:
    """What the library raises, as one line."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    # That of the library below, httpx or its successor: an address that can't be reached raises one of it.
    unreached = next(base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError")

    try:
        yield
    except HFValidationError as error:
        raise InputError(f"--push {repository}: {_line(error)}") from None
    except HfHubHTTPError as error:
        code = error.response.status_code if error.response is not None else 0
        if code in _ACCESS:
            raise InputError(
                f"--push {repository}: the Hub refuses it ({code}); is the token one that may write there?"
            ) from None
        raise RunError(f"--push {repository}: the Hub failed ({_line(error)}); try again") from None
    except (unreached, OSError) as error:
        raise RunError(f"--push {repository}: the Hub can't be reached ({_line(error)}); try again") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
