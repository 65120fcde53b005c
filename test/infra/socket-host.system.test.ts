import { readFileSync } from 'node:fs';
import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { synthesize } from './synthesis.ts';

const { service } = synthesize({ stage: 'qa' });
const task = () => {
  const [resource] = Object.values(service.findResources('AWS::ECS::TaskDefinition'));
  const { Properties, Metadata } = resource ?? {};
  return { Properties, Metadata, container: Properties?.ContainerDefinitions[0] };
};

describe('the task', () => {
  test('gives the host 105 of the 110 seconds until SIGKILL to drain', () => {
    const { container } = task();
    const told = container.Environment.find((one: { Name: string }) => one.Name === 'DRAIN_SEC');
    expect(container.StopTimeout).toBe(110);
    expect(told.Value).toBe('105');
  });

  test('runs on arm64 without root, without capabilities, and writes to its volume only', () => {
    const { Properties, container, Metadata } = task();
    expect(Properties).toMatchObject({
      Family: 'paceline-qa-host',
      Cpu: '512',
      Memory: '1024',
      RequiresCompatibilities: ['FARGATE'],
      RuntimePlatform: { CpuArchitecture: 'ARM64', OperatingSystemFamily: 'LINUX' },
      Volumes: [{ Name: 'data' }],
    });
    expect(container).toMatchObject({
      User: '1000:1000',
      ReadonlyRootFilesystem: true,
      LinuxParameters: { InitProcessEnabled: true, Capabilities: { Drop: ['ALL'] } },
      MountPoints: [{ ContainerPath: '/data', ReadOnly: false, SourceVolume: 'data' }],
      Ulimits: [{ Name: 'nofile', SoftLimit: 65_535, HardLimit: 65_535 }],
    });
    expect(container.Environment).toContainEqual({ Name: 'HOST_DATA_DIR', Value: '/data' });
    expect(container.Environment).toContainEqual({ Name: 'AUTH_CACHE_MB', Value: '4096' });
    expect(Metadata['paceline:entry']).toBe('socket-host/main.ts');
  });

  test.each([
    ['reconnectBaseMs', '5000', 'RECONNECT_BASE_MS', '2000'],
    ['connectsPerSec', '25', 'CONNECTS_PER_SEC', '10'],
  ])('tells the host %s=%s as %s, else %s', (setting, value, Name, Value) => {
    expect(task().container.Environment).toContainEqual({ Name, Value });
    const { service } = synthesize({ stage: 'qa', [setting]: value });
    service.hasResourceProperties('AWS::ECS::TaskDefinition', {
      ContainerDefinitions: [Match.objectLike({ Environment: Match.arrayWith([{ Name, Value: value }]) })],
    });
  });

  test('keeps the allocator from an arena a thread', () => {
    expect(task().container.Environment).toContainEqual({ Name: 'MALLOC_ARENA_MAX', Value: '2' });
  });

  test.each([
    ['256', '512', 192, '512'],
    ['512', '1024', 256, '1024'],
    ['1024', '4096', 1024, '2000'],
  ])(
    'with hostCpu=%s and hostMemoryMiB=%s it has a heap of %i MiB and takes %s accounts',
    (hostCpu, hostMemoryMiB, heapMiB, accounts) => {
      const { service } = synthesize({ stage: 'qa', hostCpu, hostMemoryMiB });
      const [resource] = Object.values(service.findResources('AWS::ECS::TaskDefinition'));
      const { Environment } = resource?.Properties.ContainerDefinitions[0] ?? {};
      expect(Environment).toContainEqual({
        Name: 'NODE_OPTIONS',
        Value: `--max-old-space-size=${heapMiB} --max-semi-space-size=4`,
      });
      expect(Environment).toContainEqual({ Name: 'MAX_ACCOUNTS', Value: accounts });
    },
  );

  test('counts as started when the host answers /health, except locally, where ports are free ones', () => {
    const { container } = task();
    expect(container.Environment).toContainEqual({ Name: 'METRICS_PORT', Value: '9464' });
    expect(container.HealthCheck.Command.slice(0, 3)).toEqual(['CMD', 'node', '-e']);
    expect(container.HealthCheck.Command[3]).toContain("fetch('http://127.0.0.1:9464/health')");
    const [local] = Object.values(synthesize({ stage: 'local' }).service.findResources('AWS::ECS::TaskDefinition'));
    expect(JSON.stringify(local?.Properties.ContainerDefinitions)).not.toContain('METRICS_PORT');
  });

  test('the image declares that volume for that user and starts that file', () => {
    const dockerfile = readFileSync(new URL('../../socket-host/Dockerfile', import.meta.url), 'utf8');
    expect(dockerfile).toContain('VOLUME ["/data"]');
    expect(dockerfile).toContain('chown 1000:1000 /data');
    expect(dockerfile).toMatch(/\nUSER 1000:1000\n/);
    expect(dockerfile).toMatch(/\nCOPY --from=program \/app\/dist\/socket-host\.mjs \.\/\n/);
    expect(dockerfile).toMatch(/\nCMD \["node", "socket-host\.mjs"\]\n/);
  });
});

describe('the service', () => {
  test('replaces a host after the new one is up and rolls back by itself', () => {
    service.hasResourceProperties('AWS::ECS::Service', {
      ServiceName: 'paceline-qa-host',
      CapacityProviderStrategy: [{ CapacityProvider: 'FARGATE', Weight: 1 }],
      DeploymentConfiguration: {
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
        MinimumHealthyPercent: 100,
        MaximumPercent: 200,
      },
      NetworkConfiguration: { AwsvpcConfiguration: Match.objectLike({ AssignPublicIp: 'ENABLED' }) },
    });
  });

  test('scales between the given numbers, out within minutes, in slowly because each step moves accounts', () => {
    const larger = synthesize({ stage: 'qa', hosts: '2', maxHosts: '6', hostCpu: '1024' }).service;
    larger.hasResourceProperties('AWS::ECS::TaskDefinition', { Cpu: '1024', Memory: '2048' });
    larger.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', { MinCapacity: 2, MaxCapacity: 6 });
    const policies = Object.values(larger.findResources('AWS::ApplicationAutoScaling::ScalingPolicy')).map(
      ({ Properties }) => [Properties.PolicyName, Properties.TargetTrackingScalingPolicyConfiguration],
    );
    expect(Object.fromEntries(policies)).toEqual({
      'paceline-qa-host-cpu': {
        PredefinedMetricSpecification: { PredefinedMetricType: 'ECSServiceAverageCPUUtilization' },
        TargetValue: 60,
        ScaleOutCooldown: 180,
        ScaleInCooldown: 1800,
      },
      'paceline-qa-host-accounts': {
        CustomizedMetricSpecification: {
          Namespace: 'Paceline/qa',
          MetricName: 'AccountsPerHost',
          Dimensions: [{ Name: 'service', Value: 'sweep' }],
          Statistic: 'Average',
        },
        TargetValue: 1000,
        ScaleOutCooldown: 180,
        ScaleInCooldown: 1800,
      },
    });
  });

  test.each([
    ['256', undefined, 250],
    ['512', undefined, 500],
    ['4096', undefined, 1000],
    ['512', '800', 800],
  ])('with hostCpu=%s and accountsPerHost=%s aims at %i accounts a host', (hostCpu, accountsPerHost, aim) => {
    const { service } = synthesize({ stage: 'qa', hostCpu, accountsPerHost });
    service.hasResourceProperties('AWS::ApplicationAutoScaling::ScalingPolicy', {
      PolicyName: 'paceline-qa-host-accounts',
      TargetTrackingScalingPolicyConfiguration: Match.objectLike({ TargetValue: aim }),
    });
  });

  test('leaves the number of hosts to the autoscaling at a deployment, and names it where there is none', () => {
    service.hasResourceProperties('AWS::ECS::Service', { DesiredCount: Match.absent() });
    const fixed = synthesize({ stage: 'qa', hosts: '3', maxHosts: '3' }).service;
    fixed.hasResourceProperties('AWS::ECS::Service', { DesiredCount: 3 });
    fixed.resourceCountIs('AWS::ApplicationAutoScaling::ScalableTarget', 0);
  });

  test('spot=true: one host is Spot; of two or more the first stays', () => {
    const spot = { CapacityProvider: 'FARGATE_SPOT', Weight: 1 };
    const strategies = ['1', '2'].map((hosts) => {
      const [one] = Object.values(
        synthesize({ stage: 'qa', spot: 'true', hosts }).service.findResources('AWS::ECS::Service'),
      );
      return one?.Properties.CapacityProviderStrategy;
    });
    expect(strategies).toEqual([[spot], [{ CapacityProvider: 'FARGATE', Base: 1, Weight: 0 }, spot]]);
  });

  test.each(['public', 'nat-eip'])(
    'egress=%s: hosts sit in two zones, and balance out again after a failure',
    (egress) => {
      const { service } = synthesize({ stage: 'qa', egress });
      const [host] = Object.values(service.findResources('AWS::ECS::Service'));
      expect(host?.Properties.AvailabilityZoneRebalancing).toBe('ENABLED');
      const subnets: { Ref: string }[] = host?.Properties.NetworkConfiguration.AwsvpcConfiguration.Subnets;
      const zones = subnets.map(({ Ref }) => service.toJSON().Resources[Ref].Properties.AvailabilityZone);
      expect(zones).toEqual([{ 'Fn::Select': [0, { 'Fn::GetAZs': '' }] }, { 'Fn::Select': [1, { 'Fn::GetAZs': '' }] }]);
    },
  );

  test('counts its fences by their log line, in the namespace of the stage', () => {
    const [logs] = Object.keys(
      service.findResources('AWS::Logs::LogGroup', { Properties: { LogGroupName: '/paceline/qa/socket-host' } }),
    );
    service.hasResourceProperties('AWS::Logs::MetricFilter', {
      LogGroupName: { Ref: logs },
      FilterPattern: '{ $.fence = "*" }',
      MetricTransformations: [{ MetricNamespace: 'Paceline/qa', MetricName: 'Fences', MetricValue: '1' }],
    });
  });

  test('hosts=0 neither scales up by itself nor alarms', () => {
    const none = synthesize({ stage: 'qa', hosts: '0' }).service;
    none.hasResourceProperties('AWS::ECS::Service', { DesiredCount: 0 });
    none.resourceCountIs('AWS::ApplicationAutoScaling::ScalableTarget', 0);
    for (const name of ['no-host', 'accounts-without-owner']) {
      const AlarmName = `paceline-qa-${name}`;
      expect(none.findResources('AWS::CloudWatch::Alarm', { Properties: { AlarmName } }), name).toEqual({});
    }
  });
});

describe('the network', () => {
  test('has two public subnets, no NAT, and nothing may come in', () => {
    service.resourceCountIs('AWS::EC2::Subnet', 2);
    service.resourceCountIs('AWS::EC2::NatGateway', 0);
    service.resourceCountIs('AWS::EC2::EIP', 0);
    service.resourceCountIs('AWS::EC2::SecurityGroupIngress', 0);
    service.allResourcesProperties('AWS::EC2::SecurityGroup', { SecurityGroupIngress: Match.absent() });
    service.resourceCountIs('Custom::VpcRestrictDefaultSG', 1);
  });

  test('reaches S3 and DynamoDB through free gateway endpoints', () => {
    service.resourceCountIs('AWS::EC2::VPCEndpoint', 2);
    service.allResourcesProperties('AWS::EC2::VPCEndpoint', { VpcEndpointType: 'Gateway' });
  });

  test('egress=nat-eip: hosts sit in private subnets behind one fixed address', () => {
    const fixed = synthesize({ stage: 'qa', egress: 'nat-eip' }).service;
    fixed.resourceCountIs('AWS::EC2::NatGateway', 1);
    fixed.resourceCountIs('AWS::EC2::EIP', 1);
    fixed.resourceCountIs('AWS::EC2::Subnet', 4);
    const [eipId] = Object.keys(fixed.findResources('AWS::EC2::EIP'));
    fixed.hasResourceProperties('AWS::EC2::NatGateway', { AllocationId: { 'Fn::GetAtt': [eipId, 'AllocationId'] } });
    fixed.hasOutput('EgressAddress', { Value: { Ref: eipId } });
    const [host] = Object.values(fixed.findResources('AWS::ECS::Service'));
    const network = host?.Properties.NetworkConfiguration.AwsvpcConfiguration;
    expect(network.AssignPublicIp).toBe('DISABLED');
    for (const subnet of network.Subnets) {
      expect(fixed.toJSON().Resources[subnet.Ref].Properties.MapPublicIpOnLaunch).toBe(false);
    }
  });
});
