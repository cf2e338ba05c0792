"""Why a tool's registration says no."""

from domain.kernel import NotFound, Rejected


class ToolUnknown(NotFound):
    """There is no such tool in this tenant."""


class ToolExists(Rejected):
    """A tool of this name is registered with other particulars. Reclassify it instead."""


class ToolIsRetired(Rejected):
    """The tool was retired, and a retired tool does not come back. Register one under another name."""
