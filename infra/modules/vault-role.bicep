// The app's role, defined in the resource group of vaults. One for each app and group: two apps, or
// two versions of one, cannot widen each other's. ../vault-role.bicep makes one for several apps.
import { vaultActions } from '../types.bicep'

@description('The role\'s id, a GUID.')
param name string

@description('What tells this app\'s role from another\'s: names of roles are unique in a tenant.')
param token string

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: name
  properties: {
    roleName: 'Azure Files restore, ${resourceGroup().name}, ${token}'
    description: 'Restore Azure file shares from the vaults, follow the jobs and cancel them.'
    type: 'CustomRole'
    permissions: [
      {
        actions: vaultActions
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
    // A single resource cannot be an assignable scope; it is assigned in each vault alone.
    assignableScopes: [
      resourceGroup().id
    ]
  }
}
