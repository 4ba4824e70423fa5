"""The tables and the queues of the storage account."""
