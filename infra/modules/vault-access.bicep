// The app's role in one vault, assigned in that vault alone.
param vaultName string

@description('ARM id of the app\'s identity.')
param identityId string

@description('The assignment\'s id, a GUID.')
param assignmentName string

@description('ARM id of the role.')
param roleDefinitionId string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: last(split(identityId, '/'))
  scope: resourceGroup(split(identityId, '/')[2], split(identityId, '/')[4])
}

resource vault 'Microsoft.RecoveryServices/vaults@2025-02-01' existing = {
  name: vaultName
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: assignmentName
  scope: vault
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: roleDefinitionId
  }
}
