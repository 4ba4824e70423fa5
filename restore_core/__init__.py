"""The product: everything that a restore request meets between the queue and Azure Backup."""
