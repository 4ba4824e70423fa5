"""Why a package cannot be made or read; each message says what to change."""


class PackagingError(Exception):
    """The package cannot be made, or is not one."""


class ChangedError(PackagingError):
    """The working tree differs from the commit in what would be packed."""


class NoWheelsError(PackagingError):
    """A wheel of the lock could not be fetched."""


class NoCompilerError(PackagingError):
    """No Python of the version that the package is for is on this machine."""
