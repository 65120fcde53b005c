import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isObject, type Json, type JsonObject, objectAt, stringAt } from './json.ts';

/** One stack of the synthesized app: its name and its CloudFormation template as written. */
export interface Stack {
  name: string;
  template: JsonObject;
}

export interface Resource {
  stack: Stack;
  logicalId: string;
  type: string;
  properties: JsonObject;
  metadata: JsonObject;
}

/** Reads every `*.template.json` of a cloud assembly; the stack's name comes from its manifest. */
export function readStacks(assemblyDir: string): Stack[] {
  const manifest = parseObject(readFileSync(join(assemblyDir, 'manifest.json'), 'utf8'));
  const stacks: Stack[] = [];
  for (const [id, artifact] of Object.entries(objectAt(manifest, 'artifacts'))) {
    if (!isObject(artifact) || artifact.type !== 'aws:cloudformation:stack') continue;
    const properties = objectAt(artifact, 'properties');
    const file = stringAt(properties, 'templateFile') ?? `${id}.template.json`;
    const name = stringAt(properties, 'stackName') ?? id;
    stacks.push({ name, template: parseObject(readFileSync(join(assemblyDir, file), 'utf8')) });
  }
  if (stacks.length === 0) {
    throw new Error(`No stack in ${assemblyDir}, which holds ${readdirSync(assemblyDir).join(', ')}.`);
  }
  return stacks;
}

export function resourcesOf(stacks: Stack[]): Resource[] {
  return stacks.flatMap((stack) =>
    Object.entries(objectAt(stack.template, 'Resources'))
      .filter((entry): entry is [string, JsonObject] => isObject(entry[1]))
      .map(([logicalId, resource]) => ({
        stack,
        logicalId,
        type: stringAt(resource, 'Type') ?? '',
        properties: objectAt(resource, 'Properties'),
        metadata: objectAt(resource, 'Metadata'),
      })),
  );
}

function parseObject(text: string): JsonObject {
  const value: Json = JSON.parse(text);
  if (!isObject(value)) throw new Error('A template must be a JSON object.');
  return value;
}
