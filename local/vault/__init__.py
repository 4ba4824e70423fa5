"""An emulator of Azure Backup for Azure Files: Recovery Services vaults over folders of files.

It shares no code with the product that it tests, so that a mistake of one shows in the other.

    with VaultEmulator(root, EmulatorOptions(time_scale=100)) as vault:
        requests.get(vault.url + …)
        vault.inject({"on": "restore", "action": {"kind": "reset", "processed": True}})
        vault.jobs(), vault.log

`catalogue` documents vaults.json, `faults` the faults, `admin` the emulator's own routes.
"""

from local.vault.catalogue import Catalogue, CatalogueError, Item, Point, Vault
from local.vault.emulator import VaultEmulator
from local.vault.faults import Fault, FaultError
from local.vault.jobs import Job, JobError, Outcome
from local.vault.log import LogEntry
from local.vault.options import EmulatorOptions
from local.vault.sample import write_files

__all__ = [
    "Catalogue",
    "CatalogueError",
    "EmulatorOptions",
    "Fault",
    "FaultError",
    "Item",
    "Job",
    "JobError",
    "LogEntry",
    "Outcome",
    "Point",
    "Vault",
    "VaultEmulator",
    "write_files",
]
