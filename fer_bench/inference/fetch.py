"""What an address on the web answers, bounded in bytes, in time, and in how often it sends us elsewhere."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from .. import __version__
from ..data.decoding import MAX_IMAGE_BYTES
from ..errors import InputError, brief

#: Of a picture or a video; a longer video is to be downloaded first.
MOST_BYTES = MAX_IMAGE_BYTES
#: For the whole answer, redirects included, and for each time that nothing comes.
MOST_SECONDS, LONGEST_WAIT = 60.0, 10.0
MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
#: Kinds of content that may be a picture or a video; servers that know no better name the second.
_KINDS = ("image/", "video/", "application/octet-stream", "binary/octet-stream", "application/mp4")
#: What may stand in an address as it is; the rest is written with %.
_AS_IT_IS = "%/:=&?~#+!$,;'@()*[]"


def check_address(url: str) -> None:
    """Raises InputError for an address that is not of http or https, that names no host, or that holds a password."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"{brief(url, 120)}: no address ({error})") from None
    if parts.scheme.lower() not in ("http", "https"):
        file = "; give the file's path" if parts.scheme.lower() == "file" else ""
        raise InputError(f"{brief(url, 120)}: addresses begin with http:// or https://{file}")
    if not host:
        raise InputError(f"{brief(url, 120)}: an address without a host")
    if parts.username is not None:
        raise InputError(f"{parts.scheme}://…@{host}: an address with a user's name is not read; download it first")


def fetch(url: str, most_bytes: int = MOST_BYTES, most_seconds: float = MOST_SECONDS) -> bytes:
    """The content at an address.

    A thread reads it, and is left to itself when time is up: what drips in, byte by byte, keeps nobody waiting.

    Raises:
        InputError: it can't be reached or read, is neither picture nor video by what the server says, has more than
            ``most_bytes``, takes more than ``most_seconds``, or redirects more than five times or to another kind of
            address.
    """
    found: list[bytes | BaseException] = []
    until = time.monotonic() + most_seconds

    def work() -> None:
        try:
            found.append(_fetch(url, most_bytes, until))
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=work, daemon=True, name="fetch")
    thread.start()
    thread.join(most_seconds)
    where = brief(url, 120)
    if not found:
        raise InputError(f"{where}: no whole answer within {most_seconds:g} seconds")
    if isinstance(found[0], bytes):
        return found[0]
    raise _told(found[0], where)


def _told(error: BaseException, where: str) -> BaseException:
    """An error as one line, where it is of those that the network and the server's answers give."""
    reason = getattr(error, "reason", error) if isinstance(error, urllib.error.URLError) else error
    if isinstance(error, InputError):
        return InputError(f"{where}: {error}")
    if isinstance(reason, TimeoutError):
        return InputError(f"{where}: no answer within {LONGEST_WAIT:g} seconds")
    if isinstance(error, http.client.HTTPException | OSError | ValueError):  # of OSError: URLError and those of TLS
        text = " ".join(str(getattr(reason, "strerror", None) or reason).split())[:120]
        return InputError(f"{where}: can't be fetched ({text or type(reason).__name__})")
    return error


def _fetch(url: str, most_bytes: int, until: float) -> bytes:
    with _answer(url) as answer:
        kind = answer.headers.get_content_type() if answer.headers.get("Content-Type") else ""
        if kind and not kind.startswith(_KINDS):
            raise InputError(f"the answer is {brief(kind, 40)} and no picture; give the picture's own address")
        announced = answer.length  # None where the server does not say
        too_large = f"{most_bytes:,} bytes are the limit; download it first"
        if announced is not None and announced > most_bytes:
            raise InputError(f"{announced:,} bytes; {too_large}")
        content = bytearray()
        while block := answer.read1(1 << 16):
            content += block
            if len(content) > most_bytes:
                raise InputError(f"an answer without end, or of more bytes than it should have; {too_large}")
            if time.monotonic() > until:
                raise TimeoutError
        if announced is not None and len(content) < announced:
            raise InputError(f"the answer ends early: {len(content):,} of {announced:,} bytes")
        return bytes(content)


def _answer(url: str) -> Any:
    """The answer with content to which an address leads, open to be read."""
    opener = urllib.request.OpenerDirector()  # which knows no handler for files, FTP or whatever else
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
    ):
        opener.add_handler(handler())
    headers = {"User-Agent": f"fer-bench/{__version__}", "Accept": "image/*, video/*;q=.9, */*;q=.1"}
    for _ in range(MOST_REDIRECTS + 1):
        asked = urllib.parse.quote(urllib.parse.urldefrag(url).url, safe=_AS_IT_IS)
        try:
            return opener.open(urllib.request.Request(asked, headers=headers), timeout=LONGEST_WAIT)
        except urllib.error.HTTPError as error:
            error.close()  # whatever stands in it, and however much
            target = error.headers.get("Location")
            if error.code not in _REDIRECTS or not target:
                reason = " ".join(str(error.reason).split())[:60]
                raise InputError(f"the server answers {error.code} {reason}".rstrip()) from None
            url = urllib.parse.urljoin(url, target)
            check_address(url)
    raise InputError(f"redirected more than {MOST_REDIRECTS} times")
