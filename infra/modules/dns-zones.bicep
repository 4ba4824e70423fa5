// Private DNS zones for the endpoints, linked to their network. Only where nobody else has them:
// in most companies there is one set of zones for all networks.
import { Tags } from '../types.bicep'

@description('The zones\' names.')
param names string[]

@description('ARM id of the network in which they are asked.')
param networkId string

param tags Tags

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for name in names: {
    name: name
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (name, index) in names: {
    parent: zones[index]
    name: last(split(networkId, '/'))
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: {
        id: networkId
      }
    }
  }
]
