import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { createClients, destroyClients } from '../lib/aws/client/clients.ts';
import { Table } from '../lib/aws/client/table.ts';
import { ensureKey, newSecret } from '../lib/aws/tenants/api-keys.ts';
import { physicalName } from '../lib/infra/settings.ts';

/**
 * Makes an admin key in the table of a deployed stage and prints it once. Only its hash is stored.
 *   node bin/admin-key.ts --stage prod [--name "Ops"] [--table <name>]
 */
const { values } = parseArgs({
  options: {
    stage: { type: 'string' },
    name: { type: 'string', default: 'admin' },
    table: { type: 'string' },
  },
});
const table = values.table ?? (values.stage === undefined ? undefined : physicalName(values.stage, 'table'));
if (table === undefined) {
  process.stderr.write('Usage: node bin/admin-key.ts --stage <stage> [--name <name>] [--table <table>]\n');
  process.exit(2);
}
const clients = createClients();
try {
  const secret = newSecret(true, randomBytes);
  const deps = { table: new Table(clients.dynamodb, table), nowMs: () => Date.now(), randomBytes };
  await ensureKey(deps, { name: values.name, scopes: ['admin'], secret });
  process.stdout.write(`${secret}\n`);
} finally {
  destroyClients(clients);
}
