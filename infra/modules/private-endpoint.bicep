// One way in from the network: to a service of the storage account, or to the app.
import { Tags } from '../types.bicep'

param name string
param location string
param tags Tags
param subnetId string

@description('ARM id of what is behind the endpoint.')
param targetId string

@description('Which of its services.')
@allowed([
  'blob'
  'queue'
  'table'
  'sites'
])
param service string

@description('ARM id of the zone in which it is entered; empty: somebody else, such as a policy, does that.')
param zoneId string

resource endpoint 'Microsoft.Network/privateEndpoints@2025-01-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: service
        properties: {
          privateLinkServiceId: targetId
          groupIds: [
            service
          ]
        }
      }
    ]
  }
}

resource zoneGroup 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-01-01' = if (!empty(zoneId)) {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: service
        properties: {
          privateDnsZoneId: zoneId
        }
      }
    ]
  }
}
