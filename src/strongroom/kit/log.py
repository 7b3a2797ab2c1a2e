"""Structured logs: a line a fact, with the process and the request id on each. No secrets, ever."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that this line of work serves; it crosses every process."""


def _add_request_id(
    _: Any, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    if current := request_id.get():
        event.setdefault("request_id", current)
    return event


def configure(process: str, *, json: bool = True, level: int = logging.INFO) -> None:
    """Send every log line of this process, the libraries' too, to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_request_id,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if json
        else [
            # Its own traceback shows the values of local variables, secrets too, and takes seconds
            # for a failure, during which every other thread that logs waits.
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes a line a request
    structlog.contextvars.bind_contextvars(process=process)


@contextmanager
def bind_request_id(value: str) -> Iterator[None]:
    """Every line inside carries this request id."""
    token = request_id.set(value)
    try:
        yield
    finally:
        request_id.reset(token)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for one module."""
    made: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return made
