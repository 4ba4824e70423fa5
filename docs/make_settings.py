# ruff: noqa: INP001  (docs/ is no package)
"""`python -m docs.make_settings` writes docs/settings.md out of `restore_core.settings`.

Names, defaults and bounds are the declarations that the app reads, and the sentences are those that
stand below them, so that the page cannot promise another thing than what happens. A test compares
the page with the code.
"""

from __future__ import annotations

from pathlib import Path

from docs.make_lifecycle import sentences
from restore_core.setting_kinds import Setting
from restore_core.settings import Bindings, Settings, Storage, declared

PAGE = Path(__file__).resolve().parent / "settings.md"

_HEAD = """\
<!-- Written by `python -m docs.make_settings` out of restore_core/settings.py. Do not edit. -->

# Settings

The app reads these from its environment: the app settings in Azure, `local.settings.json` on a
laptop. It needs the way to its storage account and has defaults for the rest; the Functions host
also needs `RESTORE_REQUEST_QUEUE` and the two at the end of this page, which its bindings name. An
empty value counts as not given. The log lists everything that is wrong at once, and shows no value.

In Azure [a deployment](deploy.md) sets each of them but the connection string: the queues, the
identity and the pause follow from parameters, and `settingOverrides` takes all others.
`local.settings.sample.json` has them for a laptop, with shorter waits. The app also reads
`AzureUSGovernment` and `AzureChinaCloud`, while `infra/` deploys to the public cloud alone.
"""

_SECTIONS: dict[str, type[Storage | Settings | Bindings]] = {
    "The way to queues and tables": Storage,
    "What the app does": Settings,
    "What the Functions host reads": Bindings,
}


def page() -> str:
    """The page as it should be."""
    return _HEAD + "".join(_section(title, kind) for title, kind in _SECTIONS.items())


def _section(title: str, kind: type[Storage | Settings | Bindings]) -> str:
    said = sentences(kind)
    rows = [_row(setting, said[name]) for name, setting in declared(kind).items()]
    head = ["| setting | default | must be | when to change it |", "|---|---|---|---|"]
    return "\n".join(["", f"## {title}", "", *head, *rows, ""])


def _row(setting: Setting, sentence: str) -> str:
    default = f"`{setting.default}`" if setting.default else "none"
    return f"| `{setting.name}` | {default} | {setting.kind.wanted} | {sentence} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
