// A network for the private profile, where there is none to be used.
import { Tags } from '../types.bicep'

param name string
param location string
param tags Tags

@description('At least a /25: two subnets of 64 addresses are taken from its beginning.')
param addressPrefix string

param appSubnetName string
param endpointSubnetName string

resource network 'Microsoft.Network/virtualNetworks@2025-01-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        addressPrefix
      ]
    }
    subnets: [
      {
        name: appSubnetName
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 0)
          // The app calls ARM, which has no endpoint in a network of ours.
          defaultOutboundAccess: true
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: endpointSubnetName
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 1)
          defaultOutboundAccess: false
        }
      }
    ]
  }
}
