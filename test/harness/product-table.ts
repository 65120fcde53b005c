import { ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { Table } from '../../lib/aws/client/table.ts';
import type { Endpoints } from '../../local/process/environment.ts';
import { destroyLocalClients, localClients } from '../../local/provision/provision.ts';

/** Opens the product's table directly, without the proxies that the product uses. */
export async function productTable(endpoints: Endpoints): Promise<{ table: Table; close(): void }> {
  const clients = localClients(endpoints);
  const { TableNames = [] } = await clients.dynamodb.send(new ListTablesCommand());
  const [name] = TableNames;
  if (name === undefined) throw new Error('There is no table.');
  return { table: new Table(clients.dynamodb, name), close: () => destroyLocalClients(clients) };
}
