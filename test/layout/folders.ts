import { expect, it } from 'vitest';
import { importsOf, nameOf, sources } from './sources.ts';

/** Files that every part of a host may import. */
const hostFiles = ['socket-host/deps.ts', 'socket-host/lease.ts', 'socket-host/metrics.ts', 'socket-host/transport.ts'];

/** Folders below the first level, and the neighbours in their layer that each may import. A folder that is not listed is not checked. */
const neighbours: Readonly<Record<string, readonly string[]>> = {
  'functions/api/http': [],
  'functions/api/accounts': ['functions/api/http', 'functions/api/contracts'],
  'functions/api/admin': ['functions/api/http'],
  'functions/api/contracts': ['functions/api/http'],
  'functions/api/inbox': ['functions/api/http'],
  'functions/api/messages': ['functions/api/http'],
  'functions/api/suppressions': ['functions/api/http'],
  // Its events show the views of every other resource.
  'functions/api/webhooks': [
    'functions/api/http',
    'functions/api/accounts',
    'functions/api/contracts',
    'functions/api/inbox',
    'functions/api/messages',
    'functions/api/suppressions',
  ],
  // Messages know nothing of what orders them.
  'lib/domain/messages': [
    'lib/domain/backoff.ts',
    'lib/domain/content.ts',
    'lib/domain/ids.ts',
    'lib/domain/people',
    'lib/domain/times.ts',
  ],
  'lib/runtime/egress': ['lib/runtime/clock.ts', 'lib/runtime/mutex.ts'],
  // Its errors are those of the transport.
  'socket-host/auth': ['socket-host/transport.ts'],
  'socket-host/baileys': [...hostFiles, 'socket-host/auth'],
  'socket-host/loop': hostFiles,
  'socket-host/inbound': hostFiles,
  'socket-host/connection': [...hostFiles, 'socket-host/loop'],
  'socket-host/account': [...hostFiles, 'socket-host/loop', 'socket-host/inbound', 'socket-host/connection'],
  'socket-host/host': [
    ...hostFiles,
    'socket-host/account',
    'socket-host/auth',
    'socket-host/baileys',
    'socket-host/connection',
    'socket-host/inbound',
  ],
};

it('folders import only the neighbours that the table names', () => {
  const found = Object.entries(neighbours).flatMap(([folder, allowed]) => {
    const layer = folder.slice(0, folder.lastIndexOf('/'));
    const isAllowed = (target: string) =>
      !target.startsWith(`${layer}/`) || [folder, ...allowed].some((one) => `${target}/`.startsWith(`${one}/`));
    return sources(folder).flatMap((file) =>
      importsOf(file)
        .filter(({ target }) => !isAllowed(target))
        .map(({ target }) => `${nameOf(file)} imports ${target}`),
    );
  });
  expect(found).toEqual([]);
});
