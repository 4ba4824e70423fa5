// The app's role in vaults, defined once for a subscription, to be shared by several apps (a tenant
// has a limit on custom roles) or assigned by another team. It is deployed by itself:
//   az deployment sub create --location <region> --template-file infra/vault-role.bicep
// Its output is what the parameter existingVaultRoleId of main.bicep takes.
targetScope = 'subscription'

import { vaultActions } from 'types.bicep'

@description('What the role is called. Names are unique in a tenant.')
@minLength(1)
param roleName string = 'Azure Files restore, ${subscription().subscriptionId}'

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, 'azure-files-restore')
  properties: {
    roleName: roleName
    description: 'Restore Azure file shares from vaults, follow the jobs and cancel them.'
    type: 'CustomRole'
    permissions: [
      {
        actions: vaultActions
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
    assignableScopes: [
      subscription().id
    ]
  }
}

output RESTORE_EXISTING_VAULT_ROLE_ID string = role.id
