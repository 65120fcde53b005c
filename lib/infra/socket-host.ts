import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { ComparisonOperator, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import type { IVpc } from 'aws-cdk-lib/aws-ec2';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import {
  AvailabilityZoneRebalancing,
  Capability,
  type CapacityProviderStrategy,
  type CfnTaskDefinition,
  Cluster,
  ContainerImage,
  CpuArchitecture,
  FargateService,
  FargateTaskDefinition,
  type ICluster,
  LinuxParameters,
  LogDrivers,
  OperatingSystemFamily,
  PropagatedTagSource,
  UlimitName,
} from 'aws-cdk-lib/aws-ecs';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import { FilterPattern, LogGroup, MetricFilter, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { drainSec, killedAfterSec } from '../domain/hosts/ownership.ts';
import { environmentOf, hostSettings } from '../domain/settings.ts';
import type { Alarms } from './alarms.ts';
import type { DataStack } from './data-stack.ts';
import { functionMetric, projectRoot, type SharedEnvironment } from './function.ts';
import { accountsIn, hostMemoryEnvironment } from './host-memory.ts';
import type { RunTimeQueues } from './lanes.ts';
import type { Network } from './network.ts';
import type { WorkQueues } from './queues.ts';
import { metricNamespace, physicalName, type Settings } from './settings.ts';
import { acknowledge, type Worker } from './worker.ts';

const metricsPort = 9464;

/** The pause between two steps of scaling in. A step moves all accounts of a host, and it takes minutes until each host has its fair part. */
const scaleInCooldown = Duration.minutes(30);

/** Lets the old host end only when the new one has its heartbeat, and replaces a host that hangs. The port is loopback inside the task. */
const containerHealth = {
  environment: { METRICS_PORT: String(metricsPort) },
  check: {
    command: [
      'CMD',
      'node',
      '-e',
      `fetch('http://127.0.0.1:${metricsPort}/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`,
    ],
    interval: Duration.seconds(30),
    timeout: Duration.seconds(5),
    retries: 3,
    startPeriod: Duration.seconds(60),
  },
};

/** The only path that a host may write to. The Dockerfile declares the same volume. */
const dataDir = '/data';

interface SocketHostProps {
  data: DataStack;
  workQueues: WorkQueues;
  runTimeQueues: RunTimeQueues;
  network: Network;
  environment: SharedEnvironment;
  alarms: Alarms;
}

/** The Fargate service that holds the WhatsApp connections. */
export class SocketHost extends Construct implements Worker {
  readonly role: IRole;
  readonly service: FargateService;
  readonly cluster: Cluster;
  readonly logs: LogGroup;

  constructor(scope: Construct, settings: Settings, props: SocketHostProps) {
    super(scope, 'SocketHost');
    const { data, workQueues, runTimeQueues, network, alarms } = props;
    this.logs = new LogGroup(this, 'Logs', {
      logGroupName: `/paceline/${settings.stage}/socket-host`,
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const task = this.#createTask(settings, props.environment);
    this.role = task.taskRole;
    data.table.allowItems(this);
    data.table.allowFinder(this);
    data.auth.allowHost(this);
    workQueues.feed.allowSend(this);
    runTimeQueues.allowLaneWork(this);
    runTimeQueues.allowWakeQueueLife(this);

    this.cluster = new Cluster(this, 'Cluster', {
      clusterName: physicalName(settings.stage, 'hosts'),
      vpc: network.vpc as IVpc,
      enableFargateCapacityProviders: true,
    });
    acknowledge(
      this.cluster,
      'AwsSolutions-ECS4',
      'Container Insights bills each metric of each task; hosts count what matters themselves.',
    );
    this.service = new FargateService(this, 'Service', {
      serviceName: physicalName(settings.stage, 'host'),
      cluster: this.cluster as ICluster,
      taskDefinition: task,
      // If it were set, each deployment would undo the count that the autoscaling has chosen.
      ...(!scales(settings) && { desiredCount: settings.hosts }),
      capacityProviderStrategies: capacityOf(settings),
      vpcSubnets: { subnetType: network.subnetType },
      securityGroups: [network.securityGroup],
      assignPublicIp: settings.egress === 'public',
      // The new host connects before the old one goes.
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      // Tasks are spread over the zones when they start. After the failure of a zone all of them are in the other one.
      availabilityZoneRebalancing: AvailabilityZoneRebalancing.ENABLED,
      circuitBreaker: { enable: true, rollback: true },
      enableECSManagedTags: true,
      propagateTags: PropagatedTagSource.SERVICE,
    });
    // A task needs its route to the internet to start. Capacity providers can be removed only when no service uses them.
    this.service.node.addDependency(network, this.cluster);
    this.#scale(settings);
    if (settings.hosts > 0) this.#watch(alarms);
    this.#watchFences(settings, alarms);
  }

  #createTask(settings: Settings, environment: SharedEnvironment): FargateTaskDefinition {
    const task = new FargateTaskDefinition(this, 'Task', {
      family: physicalName(settings.stage, 'host'),
      cpu: settings.hostCpu,
      memoryLimitMiB: settings.hostMemoryMiB,
      runtimePlatform: { cpuArchitecture: CpuArchitecture.ARM64, operatingSystemFamily: OperatingSystemFamily.LINUX },
      volumes: [{ name: 'data' }],
    });
    // A local host gets a port of its own.
    const health = settings.stage === 'local' ? undefined : containerHealth;
    const linux = new LinuxParameters(this, 'Linux', { initProcessEnabled: true });
    linux.dropCapabilities(Capability.ALL);
    const container = task.addContainer('host', {
      containerName: 'host',
      image: ContainerImage.fromAsset(projectRoot, {
        file: 'socket-host/Dockerfile',
        platform: Platform.LINUX_ARM64,
        assetName: 'socket-host',
      }),
      user: '1000:1000',
      readonlyRootFilesystem: true,
      linuxParameters: linux,
      // An account needs one socket, and one more while it moves.
      ulimits: [{ name: UlimitName.NOFILE, softLimit: 65_535, hardLimit: 65_535 }],
      stopTimeout: Duration.seconds(killedAfterSec),
      logging: LogDrivers.awsLogs({ logGroup: this.logs, streamPrefix: 'host' }),
      environment: {
        ...environment,
        HOST_DATA_DIR: dataDir,
        DRAIN_SEC: String(drainSec),
        MAX_ACCOUNTS: String(accountsIn(settings.hostMemoryMiB)),
        ...environmentOf(hostSettings, settings),
        ...hostMemoryEnvironment(settings.hostMemoryMiB),
        ...health?.environment,
      },
      ...(health && { healthCheck: health.check }),
    });
    container.addMountPoints({ sourceVolume: 'data', containerPath: dataDir, readOnly: false });
    // local/ finds the host in the template by this.
    (task.node.defaultChild as CfnTaskDefinition).addMetadata('paceline:entry', 'socket-host/main.ts');
    acknowledge(
      task,
      'AwsSolutions-ECS2',
      'The variables are names and addresses; the host holds no secret but its role.',
    );
    acknowledge(
      task.obtainExecutionRole(),
      'AwsSolutions-IAM5[Resource::*]',
      'ecr:GetAuthorizationToken takes no resource; pulling is allowed from the one repository.',
    );
    return task;
  }

  #scale(settings: Settings): void {
    if (!scales(settings)) return;
    const scaling = this.service.autoScaleTaskCount({ minCapacity: settings.hosts, maxCapacity: settings.maxHosts });
    scaling.scaleOnCpuUtilization('Cpu', {
      policyName: physicalName(settings.stage, 'host-cpu'),
      targetUtilizationPercent: 60,
      scaleOutCooldown: Duration.minutes(3),
      scaleInCooldown,
    });
    // Both policies must agree before the service scales in.
    scaling.scaleToTrackCustomMetric('Accounts', {
      policyName: physicalName(settings.stage, 'host-accounts'),
      metric: functionMetric(settings, 'sweep', 'AccountsPerHost', { statistic: 'Average' }),
      targetValue: settings.accountsPerHost,
      scaleOutCooldown: Duration.minutes(3),
      scaleInCooldown,
    });
  }

  #watch(alarms: Alarms): void {
    alarms.add('no-host', 'no-host', 'No socket host reports: nothing is sent.', {
      metric: this.service.metricCpuUtilization({ period: Duration.minutes(1), statistic: 'SampleCount' }),
      threshold: 1,
      evaluationPeriods: 5,
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.BREACHING,
    });
  }

  /** Counts fences, which should be rare, by their log line. A host's own metrics stay within its task. */
  #watchFences(settings: Settings, alarms: Alarms): void {
    const fences = new MetricFilter(this, 'Fences', {
      filterName: physicalName(settings.stage, 'fences'),
      logGroup: this.logs,
      filterPattern: FilterPattern.exists('$.fence'),
      metricNamespace: metricNamespace(settings.stage),
      metricName: 'Fences',
      metricValue: '1',
    });
    alarms.add('fences', 'stale-host', 'A host stopped acting for accounts that others had taken, or could have.', {
      metric: fences.metric({ period: Duration.minutes(5), statistic: 'Sum' }),
      threshold: 1,
      evaluationPeriods: 1,
    });
  }
}

/** Returns whether the service scales. Without a host there is nothing to measure, so it does not add the first one. */
function scales({ hosts, maxHosts }: Settings): boolean {
  return hosts > 0 && maxHosts > hosts;
}

/** Returns where hosts run. AWS can take back all Spot capacity at once. With two hosts or more, one runs on normal capacity and takes over. */
function capacityOf({ spot, hosts }: Settings): CapacityProviderStrategy[] {
  if (!spot) return [{ capacityProvider: 'FARGATE', weight: 1 }];
  const most = { capacityProvider: 'FARGATE_SPOT', weight: 1 };
  return hosts < 2 ? [most] : [{ capacityProvider: 'FARGATE', base: 1, weight: 0 }, most];
}
