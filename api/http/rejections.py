"""Why a request is refused before any rule is asked."""

from domain.kernel import NotFound, Rejected


class MalformedBody(Rejected):
    """The body is not valid JSON."""

    kind = "malformed"


class MalformedHeader(Rejected):
    """A header of the request cannot be understood."""

    kind = "malformed"


class WrongContentType(Rejected):
    """The body must be JSON: send it with Content-Type: application/json."""

    kind = "wrong-media-type"


class BodyTooLarge(Rejected):
    """The body is larger than this server accepts."""

    kind = "too-large"


class BodyTooDeep(Rejected):
    """The body nests lists and objects deeper than this server accepts."""

    kind = "invalid"


class RequestInvalid(Rejected):
    """The request does not have the documented form. Every error is listed with its place."""

    kind = "invalid"


class IfMatchMissing(Rejected):
    """Say which version you are changing: send the ETag you read as If-Match."""

    kind = "precondition-required"


class RouteUnknown(NotFound):
    """There is nothing at this address."""


class MethodNotAllowed(Rejected):
    """This address does not answer to this method."""

    kind = "wrong-method"


class Unexpected(Rejected):
    """Something went wrong on our side. Quote the correlation id when you report it."""

    kind = "fault"


class DeadlinePassed(Rejected):
    """The request took too long, and may have been carried out or not. Ask again with the same id."""

    kind = "unavailable"
