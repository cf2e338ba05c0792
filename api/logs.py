"""Logs: one JSON object a line on standard error, without bodies, tokens or personal data."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

Entry = MutableMapping[str, Any]


def configure(level: str) -> None:
    """Sends our own entries and those of libraries through one formatter; call once a process."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
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
            processors=[
                _faults_by_place,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = name != "uvicorn.access"
    for chatty in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(chatty).setLevel("WARNING")


def where(fault: BaseException) -> dict[str, Any]:
    """A fault by its kind and place. Its message is left out: it may quote what somebody sent."""
    frames = traceback.extract_tb(fault.__traceback__)
    return {
        "fault": type(fault).__qualname__,
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:]],
    }


def _faults_by_place(_logger: object, _method: str, entry: Entry) -> Entry:
    told = entry.pop("exc_info", None)
    record = entry.get("_record")
    if isinstance(record, logging.LogRecord):
        told = told or record.exc_info
    if isinstance(told, tuple) and isinstance(told[1], BaseException):
        entry.update(where(told[1]))
    return entry
