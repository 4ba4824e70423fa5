"""Azure Backup: how it is called, what it answers, and what its errors mean."""
