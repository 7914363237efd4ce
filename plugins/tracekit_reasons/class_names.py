"""Reason codes of exception classes, by name: most come from libraries that need not be installed."""

from __future__ import annotations

import re

__all__ = ["code_of_class_name"]

_CODES = {
    # The standard library, asyncio, anyio, concurrent.futures
    "CancelledError": "CANCELLED",
    "ClientDisconnect": "CLIENT_DISCONNECTED",
    "ClientDisconnected": "CLIENT_DISCONNECTED",
    "GeneratorExit": "CANCELLED",
    "FileNotFoundError": "MISSING_FILE",
    "NotADirectoryError": "MISSING_FILE",
    "ModuleNotFoundError": "MISSING_FILE",
    "NoSuchKey": "MISSING_FILE",
    "NoSuchBucket": "MISSING_FILE",
    "PermissionError": "PERMISSION_DENIED",
    "MemoryError": "OUT_OF_MEMORY",
    "OutOfMemoryError": "OUT_OF_MEMORY",
    "ConnectionError": "NETWORK_ERROR",
    "BrokenPipeError": "NETWORK_ERROR",
    "BrokenResourceError": "NETWORK_ERROR",
    "IncompleteRead": "NETWORK_ERROR",
    "RemoteDisconnected": "NETWORK_ERROR",
    "gaierror": "NETWORK_ERROR",
    "herror": "NETWORK_ERROR",
    "SSLError": "NETWORK_ERROR",
    "SSLCertVerificationError": "NETWORK_ERROR",
    "URLError": "NETWORK_ERROR",
    # httpx, httpcore, requests, urllib3, aiohttp, websockets, grpc
    "ConnectError": "NETWORK_ERROR",
    "ReadError": "NETWORK_ERROR",
    "WriteError": "NETWORK_ERROR",
    "CloseError": "NETWORK_ERROR",
    "NetworkError": "NETWORK_ERROR",
    "ProxyError": "NETWORK_ERROR",
    "ProtocolError": "NETWORK_ERROR",
    "RemoteProtocolError": "NETWORK_ERROR",
    "TransportError": "NETWORK_ERROR",
    "ChunkedEncodingError": "NETWORK_ERROR",
    "MaxRetryError": "NETWORK_ERROR",
    "NameResolutionError": "NETWORK_ERROR",
    "NewConnectionError": "NETWORK_ERROR",
    "ClientConnectionError": "NETWORK_ERROR",
    "ClientConnectorError": "NETWORK_ERROR",
    "ClientOSError": "NETWORK_ERROR",
    "ClientPayloadError": "NETWORK_ERROR",
    "ServerDisconnectedError": "NETWORK_ERROR",
    "ConnectionClosed": "NETWORK_ERROR",
    "ConnectionClosedError": "NETWORK_ERROR",
    "EndpointConnectionError": "NETWORK_ERROR",
    "ServiceUnavailable": "NETWORK_ERROR",
    "PoolTimeout": "TIMEOUT",
    "DeadlineExceeded": "TIMEOUT",
    # openai, anthropic, cohere, google, groq, mistral, botocore
    "APIConnectionError": "NETWORK_ERROR",
    "APITimeoutError": "TIMEOUT",
    "AuthenticationError": "AUTH_EXPIRED",
    "UnauthorizedError": "AUTH_EXPIRED",
    "Unauthorized": "AUTH_EXPIRED",
    "Unauthenticated": "AUTH_EXPIRED",
    "ExpiredTokenException": "AUTH_EXPIRED",
    "ExpiredSignatureError": "AUTH_EXPIRED",
    "TokenExpiredError": "AUTH_EXPIRED",
    "RefreshError": "AUTH_EXPIRED",
    "NoCredentialsError": "AUTH_EXPIRED",
    "PermissionDeniedError": "PERMISSION_DENIED",
    "PermissionDenied": "PERMISSION_DENIED",
    "AccessDeniedException": "PERMISSION_DENIED",
    "ForbiddenError": "PERMISSION_DENIED",
    "Forbidden": "PERMISSION_DENIED",
    "RateLimitError": "RATE_LIMITED",
    "TooManyRequests": "RATE_LIMITED",
    "TooManyRequestsError": "RATE_LIMITED",
    "ResourceExhausted": "RATE_LIMITED",
    "ThrottlingException": "RATE_LIMITED",
    "OverloadedError": "RATE_LIMITED",
    "ServiceUnavailableError": "NETWORK_ERROR",
    # psycopg, asyncpg, MySQL drivers, SQLAlchemy
    "DeadlockDetected": "DEADLOCK",
    "DeadlockDetectedError": "DEADLOCK",
    "LockNotAvailable": "DEADLOCK",
    "LockNotAvailableError": "DEADLOCK",
    "SerializationFailure": "DEADLOCK",
    "SerializationError": "DEADLOCK",
    "QueryCanceled": "TIMEOUT",
    "QueryCanceledError": "TIMEOUT",
    "TooManyConnections": "NETWORK_ERROR",
    "InsufficientPrivilege": "PERMISSION_DENIED",
    "InvalidPassword": "AUTH_EXPIRED",
    # Browser automation
    "NoSuchElementException": "SELECTOR_NOT_FOUND",
    "StaleElementReferenceException": "SELECTOR_NOT_FOUND",
    "ElementNotInteractableException": "SELECTOR_NOT_FOUND",
    "ElementHandleError": "SELECTOR_NOT_FOUND",
    "InvalidSelectorException": "SELECTOR_NOT_FOUND",
}

# ReadTimeout, ConnectTimeoutError, ServerTimeoutError, LockTimeoutException, TimeoutExpired, PlaywrightTimeout ...
_TIMEOUT = re.compile(r"Time(?:d)?out(?:Error|Exception|Expired)?$|TimeLimitExceeded$")
_CONNECTION = re.compile(r"^Connection[A-Z][A-Za-z]*Error$")


def code_of_class_name(name: str) -> str | None:
    """The reason code of an exception class; of a dotted name, its last part counts."""
    last = name.rpartition(".")[2]
    if code := _CODES.get(last):
        return code
    if _TIMEOUT.search(last):
        return "TIMEOUT"
    return "NETWORK_ERROR" if _CONNECTION.match(last) else None
