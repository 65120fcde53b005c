/** The published, closed list (api.md). Some belong to parts that are not built yet. */
export const eventTypes = [
  'account.created',
  'account.connected',
  'account.disconnected',
  'account.qr',
  'account.pairing_code',
  'account.logged_out',
  'account.restricted',
  'account.banned',
  'account.deleted',
  'message.queued',
  'message.sent',
  'message.delivered',
  'message.read',
  'message.failed',
  'message.received',
  'message.suppressed',
  'message.canceled',
  'message.expired',
  'contract.started',
  'contract.progress',
  'contract.paused',
  'contract.resumed',
  'contract.completed',
  'contract.canceled',
  'contract.failed',
  'import.completed',
  'import.failed',
  'suppression.created',
  'suppression.deleted',
  'proxy.assigned',
  'proxy.rotated',
  'proxy.disabled',
  'proxy.recovered',
  'proxy.exit_changed',
  'proxy.shared_exit',
  'proxy.quota_warning',
  'proxy.quota_exceeded',
  'proxy.drift',
  'webhook.disabled',
  'webhook.test',
  'health.degraded',
  'health.recovered',
  'system.rate_limit',
  'system.circuit_break',
  'system.error',
] as const;
export type EventType = (typeof eventTypes)[number];

/** What comes before the dot: `message` names all types of messages. */
export const eventGroups = [
  'account',
  'message',
  'contract',
  'import',
  'suppression',
  'proxy',
  'webhook',
  'health',
  'system',
] as const;
export type EventGroup = (typeof eventGroups)[number];
export type EventSelector = EventType | EventGroup;

/** Whether a selector, a group or an exact type, names this type. */
export function matchesType(selector: string, type: EventType): boolean {
  return selector === type || type.startsWith(`${selector}.`);
}

/**
 * A fact told to a tenant. `data` is what GET shows of the thing, without contents: texts live as long as their message, so they are filled
 * in whenever the event is shown or sent (`content`: the id of the message or inbound batch that has them). `chat`: the other party's digits,
 * for endpoints that ask for order. `logged` false: told, and not kept. `at` is epoch milliseconds.
 */
export interface PacelineEvent {
  id: string;
  type: EventType;
  at: number;
  tenantId: string;
  accountId?: string;
  chat?: string;
  content?: string;
  data: unknown;
  logged: boolean;
}
