// What the app may do in one vault: the calls of restore_core/backup.py, and no others. A role of
// its own, since the narrowest built-in one (Backup Operator) may also write protected items.
param vaultName string
param principalId string

var vaultActions = [
  // find the protected item of a share
  'Microsoft.RecoveryServices/Vaults/backupProtectedItems/read'
  // choose a recovery point
  'Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/recoveryPoints/read'
  // what a restore must carry where a Resource Guard protects the vault
  'Microsoft.RecoveryServices/Vaults/backupResourceGuardProxies/read'
  // restore
  'Microsoft.RecoveryServices/Vaults/backupFabrics/protectionContainers/protectedItems/recoveryPoints/restore/action'
  // what became of the restore call
  'Microsoft.RecoveryServices/Vaults/backupOperations/read'
  // find and follow the job
  'Microsoft.RecoveryServices/Vaults/backupJobs/read'
  // cancel on request
  'Microsoft.RecoveryServices/Vaults/backupJobs/cancel/action'
]

var vaultGroupId = resourceGroup().id

resource vault 'Microsoft.RecoveryServices/vaults@2024-04-01' existing = {
  name: vaultName
}

// One role for each vault and app: two apps, or two versions of one, cannot widen each other's.
resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(vault.id, principalId, 'azure-files-restore')
  properties: {
    // Names are unique in a tenant.
    roleName: 'Azure Files restore, ${vaultName}, ${uniqueString(vault.id, principalId)}'
    description: 'Restore Azure file shares from the vault, follow the jobs and cancel them.'
    type: 'CustomRole'
    permissions: [
      {
        actions: vaultActions
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
    // A single resource cannot be an assignable scope; the assignment below is for the vault alone.
    assignableScopes: [
      vaultGroupId
    ]
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, role.name)
  scope: vault
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.name)
  }
}
