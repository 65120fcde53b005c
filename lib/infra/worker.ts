import { Stack, Validations } from 'aws-cdk-lib';
import { type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IConstruct } from 'constructs';

/** A program of Paceline with a role of its own: a function or the socket host. */
export interface Worker {
  readonly role: IRole;
}

/** Adds one statement to the role of the worker. Give exact actions and resources. */
export function allow(
  worker: Worker,
  actions: string[],
  resources: string[],
  conditions?: Record<string, Record<string, unknown>>,
): void {
  worker.role.addToPrincipalPolicy(new PolicyStatement({ actions, resources, ...(conditions && { conditions }) }));
}

/** As `allow`, for a resource that ends in `*`. Say in `reason` why no exact name can be given; cdk-nag then accepts this one pattern. */
export function allowPattern(worker: Worker, actions: string[], pattern: string, reason: string): void {
  allow(worker, actions, [pattern]);
  acknowledge(worker.role, `AwsSolutions-IAM5[Resource::${findingText(worker.role, pattern)}]`, reason);
}

/** Accepts one cdk-nag finding for one construct. The reason is for auditors of the AWS account. */
export function acknowledge(scope: IConstruct, id: string, reason: string): void {
  Validations.of(scope).acknowledge({ id, reason });
}

/** Returns a text with pseudo parameters as cdk-nag prints it: `arn:<AWS::Partition>:sqs:...`. */
function findingText(scope: IConstruct, text: string): string {
  const flatten = (part: unknown): string => {
    if (typeof part === 'string') return part;
    const { Ref, 'Fn::Join': join } = part as { Ref?: string; 'Fn::Join'?: [string, unknown[]] };
    return join === undefined ? `<${Ref}>` : join[1].map(flatten).join(join[0]);
  };
  return flatten(Stack.of(scope).resolve(text));
}
