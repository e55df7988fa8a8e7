"""The page served on this computer until somebody ends it, with nothing left behind."""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable

from ..errors import InputError
from .look import Looker

#: Where gradio keeps the files that browsers send.
UPLOADS = "GRADIO_TEMP_DIR"


def serve(
    looker: Looker,
    *,
    faces: str,
    host: str,
    port: int,
    browser: bool,
    ready: Callable[[str], None],
) -> None:
    """Serves the page until KeyboardInterrupt, and removes what browsers have sent.

    Args:
        looker: what answers.
        faces: which faces count at first.
        host: the address to listen at.
        port: to listen at, one that ``free_port`` has found.
        browser: whether to open the page in a browser.
        ready: is called with the page's address once it can be opened.

    Raises:
        InputError: the port has been taken meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix="fer-bench-demo-", ignore_cleanup_errors=True) as uploads:
        os.environ[UPLOADS] = uploads
        # gradio asks its own server whether it is there; that is nobody else's business, such as a proxy's.
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(
            filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), host, "localhost", "127.0.0.1"])
        )
        from .page import LAUNCH, page

        blocks = page(looker, faces=faces, here=is_here(host))
        try:
            _, address, _ = blocks.launch(
                server_name=f"[{host}]" if ":" in host else host,
                server_port=port,
                inbrowser=browser,
                prevent_thread_lock=True,
                **LAUNCH,
            )
        except OSError as error:
            raise InputError(f"{host}, port {port}: the page can't be served there ({error})") from None
        try:
            ready(address)
            while True:
                time.sleep(60)
        finally:
            blocks.server.force_exit = True  # pages that are open do not hold it up, and what is cut off is no news
            logging.getLogger("uvicorn.error").disabled = True
            blocks.close(verbose=False)
            looker.end()


def free_port(host: str, port: int) -> int:
    """The port itself, or any that is free for 0.

    Raises InputError where it is taken, or there is no such address on this computer.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise InputError(f"--host {host}: no address of this computer ({error.strerror or error})") from None
    with socket.socket(found[0], found[1]) as trial:
        if os.name == "posix":  # where it says that the last connections to a port may still be closing
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(found[4])
        except PermissionError:
            raise InputError(f"--port {port}: needs rights that you don't have; take one from 1024 on") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise InputError(
                    f"--port {port}: taken by another program on {host}; name another, or 0 for any that is free"
                ) from None
            raise InputError(f"--host {host}: no address of this computer ({error.strerror or error})") from None
        return int(trial.getsockname()[1])


def is_here(host: str) -> bool:
    """Whether only this computer reaches what listens at an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
