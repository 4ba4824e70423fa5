"""The acceptance run: the whole product against a real vault, or against the emulator.

    python -m tests.acceptance --subscription ID --region westeurope
    python -m tests.acceptance --local

It makes a small estate of its own (storage accounts, shares, a vault, a backup), deploys the app,
asks it for restores, compares every file, and takes all of it away again. The checks and the code
that speaks to the vault are the same in both cases; only the estate differs: `azure_estate` makes
one by ARM calls, `local_estate` writes one into the emulator's folders. docs/acceptance.md says
what it costs, what it needs and how its result is read.
"""
