// A company that has all that can be had already, and lets nobody but its own team assign roles.
using '../../../infra/main.bicep'

param environmentName = 'landing-zone'
param location = 'swedencentral'
param vaultIds = [
  '/subscriptions/33333333-3333-4333-8333-333333333333/resourceGroups/backup/providers/Microsoft.RecoveryServices/vaults/othervault'
]
param senderIds = [
  '11111111-1111-4111-8111-111111111111'
]
param consumerIds = [
  '22222222-2222-4222-8222-222222222222'
]
param eventTopicIds = [
  '/subscriptions/66666666-6666-4666-8666-666666666666/resourceGroups/events/providers/Microsoft.EventGrid/topics/refresh'
]
param keepUndeliveredEvents = true

param existingResourceGroup = 'rg-landing'
param existingWorkspaceId = '/subscriptions/77777777-7777-4777-8777-777777777777/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/central'
param existingIdentityId = '/subscriptions/66666666-6666-4666-8666-666666666666/resourceGroups/identities/providers/Microsoft.ManagedIdentity/userAssignedIdentities/restore'
param existingVaultRoleId = '/subscriptions/33333333-3333-4333-8333-333333333333/providers/Microsoft.Authorization/roleDefinitions/88888888-8888-4888-8888-888888888888'
param assignRoles = false

param vnetEnabled = true
param appSubnetId = '/subscriptions/66666666-6666-4666-8666-666666666666/resourceGroups/networks/providers/Microsoft.Network/virtualNetworks/spoke/subnets/functions'
param endpointSubnetId = '/subscriptions/66666666-6666-4666-8666-666666666666/resourceGroups/networks/providers/Microsoft.Network/virtualNetworks/spoke/subnets/endpoints'
param dnsZoneIds = {
  blob: '/subscriptions/77777777-7777-4777-8777-777777777777/resourceGroups/dns/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net'
}
param tags = {
  costCenter: '4711'
}
param diagnostics = true
