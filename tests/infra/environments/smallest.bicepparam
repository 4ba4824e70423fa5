// One vault, one sender, one consumer, and no parameter that has a default.
using '../../../infra/main.bicep'

param environmentName = 'smallest'
param location = 'westeurope'
param vaultIds = [
  '/subscriptions/ef4ab5a7-c2c0-4304-af80-af49f48af3d1/resourceGroups/azurefiles/providers/Microsoft.RecoveryServices/vaults/azurefilesvault'
]
param senderIds = [
  '11111111-1111-4111-8111-111111111111'
]
param consumerIds = [
  '22222222-2222-4222-8222-222222222222'
]
