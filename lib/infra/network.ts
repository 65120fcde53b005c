import { RemovalPolicy } from 'aws-cdk-lib';
import {
  CfnEIP,
  FlowLogDestination,
  FlowLogTrafficType,
  GatewayVpcEndpointAwsService,
  type IVpc,
  NatProvider,
  SecurityGroup,
  type SubnetConfiguration,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { physicalName, type Settings } from './settings.ts';

const publicSubnets: SubnetConfiguration = { name: 'public', subnetType: SubnetType.PUBLIC, cidrMask: 20 };
const privateSubnets: SubnetConfiguration = {
  name: 'private',
  subnetType: SubnetType.PRIVATE_WITH_EGRESS,
  cidrMask: 20,
};

/**
 * The network of the hosts: two public subnets without NAT. Nothing may connect from outside. With `egress: "nat-eip"` the subnets are private,
 * behind one NAT gateway whose address is the only one that WhatsApp sees.
 */
export class Network extends Construct {
  readonly vpc: Vpc;
  readonly securityGroup: SecurityGroup;
  readonly subnetType: SubnetType;
  /** The fixed address; with `nat-eip` only. */
  readonly egressAddress: string | undefined;

  constructor(scope: Construct, settings: Settings) {
    super(scope, 'Network');
    const fixed = settings.egress === 'nat-eip' ? new CfnEIP(this, 'Address', { domain: 'vpc' }) : undefined;
    this.egressAddress = fixed?.ref;
    this.subnetType = fixed === undefined ? SubnetType.PUBLIC : SubnetType.PRIVATE_WITH_EGRESS;
    this.vpc = new Vpc(this, 'Vpc', {
      vpcName: physicalName(settings.stage, 'vpc'),
      maxAzs: 2,
      subnetConfiguration: fixed === undefined ? [publicSubnets] : [publicSubnets, privateSubnets],
      natGateways: fixed === undefined ? 0 : 1,
      ...(fixed && { natGatewayProvider: NatProvider.gateway({ eipAllocationIds: [fixed.attrAllocationId] }) }),
      gatewayEndpoints: {
        S3: { service: GatewayVpcEndpointAwsService.S3 },
        DynamoDb: { service: GatewayVpcEndpointAwsService.DYNAMODB },
      },
    });
    this.vpc.addFlowLog('Refused', {
      // Accepted traffic would give a line for each connection of a host.
      trafficType: FlowLogTrafficType.REJECT,
      destination: FlowLogDestination.toCloudWatchLogs(
        new LogGroup(this, 'FlowLogs', {
          logGroupName: `/paceline/${settings.stage}/network`,
          retention: RetentionDays.ONE_MONTH,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
      ),
    });
    this.securityGroup = new SecurityGroup(this, 'Hosts', {
      vpc: this.vpc as IVpc,
      securityGroupName: physicalName(settings.stage, 'host'),
      description: 'Socket hosts: nothing comes in, everything may go out (WhatsApp, AWS, proxies of any port).',
      allowAllOutbound: true,
    });
  }
}
