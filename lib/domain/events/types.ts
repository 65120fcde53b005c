/**
 * Each type with its rank: where it stands among the events of one chat in one millisecond. The rank is part of stored sort keys
 * (`deliveryLine`): a rank never changes, and a new type takes a number that was never used. 29 to 37 and 40 to 44 belong to `unbuiltTypes`.
 */
const ranks = {
  'account.created': 0,
  'account.connected': 1,
  'account.disconnected': 2,
  'account.qr': 3,
  'account.pairing_code': 4,
  'account.logged_out': 5,
  'account.restricted': 6,
  'account.banned': 7,
  'account.deleted': 8,
  'message.queued': 9,
  'message.sent': 10,
  'message.delivered': 11,
  'message.read': 12,
  'message.failed': 13,
  'message.received': 14,
  'message.suppressed': 15,
  'message.canceled': 16,
  'message.expired': 17,
  'contract.started': 18,
  'contract.progress': 19,
  'contract.paused': 20,
  'contract.resumed': 21,
  'contract.completed': 22,
  'contract.canceled': 23,
  'contract.failed': 24,
  'import.completed': 25,
  'import.failed': 26,
  'suppression.created': 27,
  'suppression.deleted': 28,
  'webhook.disabled': 38,
  'webhook.test': 39,
} as const;
export type EventType = keyof typeof ranks;

/** A type's place among the events of its chat in the same millisecond: the order in which a message lives. Stored; see `ranks`. */
export const lineRank = (type: EventType): number => ranks[type];

/**
 * Types of parts that are not built, which nothing in this version tells. Earlier versions accepted them for endpoints, which keep them; new
 * requests that name them are refused. The number is the rank that earlier versions gave the type. `message.expired` is also in `ranks`: hosts
 * of earlier versions told it, so the log, deliveries and changes may hold it.
 */
export const unbuiltTypes: Readonly<Record<string, number>> = {
  'message.expired': 17,
  'proxy.assigned': 29,
  'proxy.rotated': 30,
  'proxy.disabled': 31,
  'proxy.recovered': 32,
  'proxy.exit_changed': 33,
  'proxy.shared_exit': 34,
  'proxy.quota_warning': 35,
  'proxy.quota_exceeded': 36,
  'proxy.drift': 37,
  'health.degraded': 40,
  'health.recovered': 41,
  'system.rate_limit': 42,
  'system.circuit_break': 43,
  'system.error': 44,
};

/** The published, closed list: the types that this version can tell. */
export const eventTypes = Object.keys(ranks).filter((type) => !Object.hasOwn(unbuiltTypes, type)) as [
  EventType,
  ...EventType[],
];

/** What comes before the dot: `message` names all types of messages. */
export const eventGroups = ['account', 'message', 'contract', 'import', 'suppression', 'webhook'] as const;
export type EventGroup = (typeof eventGroups)[number];
export type EventSelector = EventType | EventGroup;

/** Why a selector that is no type or group of the list cannot be asked for; undefined where it is none that is planned. */
export function notToldYet(selector: string): string | undefined {
  const planned = Object.keys(unbuiltTypes).some((type) => type === selector || type.startsWith(`${selector}.`));
  return planned ? `Nothing tells ${selector} yet: the part it belongs to is not built. Leave it out.` : undefined;
}

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
