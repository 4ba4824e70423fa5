// The ways from a subnet to the three services of the app's storage account.
import { DnsZoneIds, Tags } from '../types.bicep'

@description('What the endpoints are called, before the name of the service.')
param namePrefix string

param location string
param tags Tags
param subnetId string

@description('ARM id of the storage account.')
param storageAccountId string

param dnsZoneIds DnsZoneIds

module endpoints 'private-endpoint.bicep' = [
  for service in ['blob', 'queue', 'table']: {
    name: 'endpoint-${service}'
    params: {
      name: '${namePrefix}-${service}'
      location: location
      tags: tags
      subnetId: subnetId
      targetId: storageAccountId
      service: service
      zoneId: dnsZoneIds[?service] ?? ''
    }
  }
]
