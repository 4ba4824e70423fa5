"""What a package is for: a version of Python, on Linux with glibc, on x86_64."""

from dataclasses import dataclass

from infra.package.problems import PackagingError

DEPLOYED_PYTHON = "3.13"
"""What `infra/modules/app.bicep` gives the app; a test compares them."""
PYTHONS = ("3.11", "3.12", "3.13")
MACHINE = "x86_64"
# Functions runs Python in Debian and Azure Linux images, whose glibc is 2.31 or newer. Wheels for
# 2.28 run there, and pip takes the newest kind that is listed here.
_NEWEST_GLIBC, _OLDEST_GLIBC = 28, 17
PLATFORMS = (
    *(f"manylinux_2_{minor}_{MACHINE}" for minor in range(_NEWEST_GLIBC, _OLDEST_GLIBC - 1, -1)),
    f"manylinux2014_{MACHINE}",
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """The Python that runs the package."""

    python: str

    def __post_init__(self) -> None:
        if self.python not in PYTHONS:
            raise PackagingError(
                f"there is no package for Python {self.python}: PYTHON_VERSION is one of"
                f" {', '.join(PYTHONS)}"
            )

    @property
    def tag(self) -> str:
        """The version as wheels and cached bytecode spell it: `313`."""
        return self.python.replace(".", "")

    @property
    def markers(self) -> dict[str, str]:
        """What the lock's markers are evaluated with, whichever Python evaluates them."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": MACHINE,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    @property
    def pip_options(self) -> list[str]:
        """How pip is told to choose wheels for the target and not for itself."""
        options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={self.python}"]
        options += [f"--abi={abi}" for abi in (f"cp{self.tag}", "abi3", "none")]
        return options + [f"--platform={platform}" for platform in PLATFORMS]
