"""What makes the app run in Azure: Bicep, the hooks of azd, and the package that is deployed."""
