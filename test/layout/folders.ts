import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importsOf, nameOf, root, sources } from './sources.ts';

/**
 * The folders of each layer, and the neighbours that each may import. Every folder may import the files directly in its layer; that none of them
 * leads back is checked with the circles.
 */
const neighbours: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'lib/domain': {
    people: [],
    messages: ['people'],
    accounts: ['messages', 'people'],
    contracts: ['accounts', 'messages'],
    inbound: ['people'],
    webhooks: [],
    // Its events show every other noun.
    events: ['accounts', 'contracts', 'inbound', 'messages', 'people', 'webhooks'],
    egress: [],
    files: [],
    hosts: [],
  },
  'lib/runtime': { egress: [] },
  'lib/aws': {
    client: [],
    tenants: ['client'],
    hosts: ['client'],
    accounts: ['client', 'hosts', 'tenants'],
    messages: ['accounts', 'client', 'hosts'],
    people: ['client', 'tenants'],
    contracts: ['accounts', 'client', 'messages', 'tenants'],
    inbound: ['client', 'hosts', 'messages'],
    webhooks: ['client', 'tenants'],
    events: ['accounts', 'client', 'messages'],
  },
  'functions/api': {
    http: [],
    accounts: ['http', 'contracts'],
    admin: ['http'],
    contracts: ['http'],
    inbox: ['http'],
    messages: ['http', 'contracts'],
    suppressions: ['http'],
    // Its events show the views of every other resource.
    webhooks: ['http', 'accounts', 'contracts', 'inbox', 'messages', 'suppressions'],
  },
  'socket-host': {
    auth: [],
    baileys: ['auth'],
    loop: [],
    inbound: [],
    connection: ['loop'],
    account: ['connection', 'inbound', 'loop'],
    host: ['account', 'auth', 'baileys', 'connection', 'inbound'],
  },
  simulator: {
    signal: [],
    wire: ['signal'],
    phones: ['signal', 'wire'],
    connection: ['phones', 'signal', 'wire'],
    control: ['connection', 'phones', 'wire'],
  },
  local: {
    process: [],
    template: [],
    functions: ['process', 'template'],
    gateway: ['functions'],
    emulators: ['process'],
    provision: ['process', 'template'],
    sources: ['emulators', 'functions', 'process', 'provision', 'template'],
  },
};

describe.each(Object.entries(neighbours))('the folders of %s', (layer, folders) => {
  it('are all in the table', () => {
    const found = readdirSync(join(root, layer), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(found.map(({ name }) => name).sort()).toEqual(Object.keys(folders).sort());
  });

  it('import only the neighbours that the table names', () => {
    const found = Object.entries(folders).flatMap(([folder, allowed]) => {
      const isAllowed = (target: string) => {
        const [first = '', ...rest] = target.slice(layer.length + 1).split('/');
        return !target.startsWith(`${layer}/`) || rest.length === 0 || [folder, ...allowed].includes(first);
      };
      return sources(join(layer, folder)).flatMap((file) =>
        importsOf(file)
          .filter(({ target }) => !isAllowed(target))
          .map(({ target }) => `${nameOf(file)} imports ${target}`),
      );
    });
    expect(found).toEqual([]);
  });
});
