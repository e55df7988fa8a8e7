"""What stands before the page's server: nothing too large comes in, and no page asks anybody else for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: A browser that shows the page gets scripts, styles, pictures and answers from where it got the page, or from within.
POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'self'; object-src 'none'"


class Guard:
    """An ASGI application before another."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        """``most``: bytes of a request's body."""
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses a body that says it is too large, gives up one that becomes it; adds the policy to each answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        left = self.most

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return message if left >= 0 else {"type": "http.disconnect"}

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"content-security-policy", POLICY)]
            await send(message)

        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not (length.isdigit() and int(length) <= self.most):
            from starlette.responses import JSONResponse

            refused = JSONResponse({"detail": f"more than {self.most:,} bytes"}, 413)
            await refused(scope, receive, guarded)
            return
        await self.app(scope, counted, guarded)
