/** The kinds of `data` that events have. functions/api/webhooks/event-schema.ts has the schema of each. */
export type EventDataKind =
  | 'account'
  | 'accountCode'
  | 'message'
  | 'receivedMessages'
  | 'contract'
  | 'suppression'
  | 'webhook'
  | 'webhookTest';

interface EventTypeRow {
  /** Order among the events of one chat in the same millisecond; see `types`. */
  rank: number;
  data: EventDataKind;
  /** False: the event is delivered, but not kept in the log. */
  logged?: false;
}

/**
 * The one list of event types. Endpoints, the log, the OpenAPI document and the selectors of callers derive from it.
 *
 * To add a type: add its row here, and draft its event in lib/domain/events, in the file of its item. The rank is part of stored sort keys
 * (`deliveryLine`), so a rank never changes, and a new type gets a number that was never used. Those of `unbuiltTypes` count as used.
 */
const types = {
  'account.created': { rank: 0, data: 'account' },
  'account.connected': { rank: 1, data: 'account' },
  'account.disconnected': { rank: 2, data: 'account' },
  'account.qr': { rank: 3, data: 'accountCode', logged: false },
  'account.pairing_code': { rank: 4, data: 'accountCode', logged: false },
  'account.logged_out': { rank: 5, data: 'account' },
  'account.restricted': { rank: 6, data: 'account' },
  'account.banned': { rank: 7, data: 'account' },
  'account.deleted': { rank: 8, data: 'account' },
  'message.queued': { rank: 9, data: 'message' },
  'message.sent': { rank: 10, data: 'message' },
  'message.delivered': { rank: 11, data: 'message' },
  'message.read': { rank: 12, data: 'message' },
  'message.failed': { rank: 13, data: 'message' },
  'message.received': { rank: 14, data: 'receivedMessages' },
  'message.suppressed': { rank: 15, data: 'message' },
  'message.canceled': { rank: 16, data: 'message' },
  'message.expired': { rank: 17, data: 'message' },
  'contract.started': { rank: 18, data: 'contract' },
  'contract.progress': { rank: 19, data: 'contract' },
  'contract.paused': { rank: 20, data: 'contract' },
  'contract.resumed': { rank: 21, data: 'contract' },
  'contract.completed': { rank: 22, data: 'contract' },
  'contract.canceled': { rank: 23, data: 'contract' },
  'contract.failed': { rank: 24, data: 'contract' },
  'import.completed': { rank: 25, data: 'contract' },
  'import.failed': { rank: 26, data: 'contract' },
  'suppression.created': { rank: 27, data: 'suppression' },
  'suppression.deleted': { rank: 28, data: 'suppression' },
  'webhook.disabled': { rank: 38, data: 'webhook' },
  'webhook.test': { rank: 39, data: 'webhookTest', logged: false },
} as const satisfies Record<string, EventTypeRow>;
export type EventType = keyof typeof types;

/** Returns the order of a type among the events of a chat in the same millisecond: queued, sent, delivered and so on. Stored; see `types`. */
export const sequenceRank = (type: EventType): number => types[type].rank;

/** Whether the log keeps events of this type. */
export const isLogged = (type: EventType): boolean => (types[type] as EventTypeRow).logged !== false;

/**
 * Types of parts that are not built; this version publishes none of them. Earlier versions accepted them for endpoints, which keep them. New
 * requests that name them are refused. The number is the rank that earlier versions gave the type. `message.expired` is also in `types`:
 * hosts of earlier versions caused it, so the log, deliveries and changes may hold it.
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

/** The closed list that the API documents: the types that this version publishes. */
export const eventTypes = Object.keys(types).filter((type) => !Object.hasOwn(unbuiltTypes, type)) as [
  EventType,
  ...EventType[],
];

/** Returns the published types with this kind of `data`, in the order of the list. */
export function eventTypesWith(data: EventDataKind): [EventType, ...EventType[]] {
  return eventTypes.filter((type) => types[type].data === data) as [EventType, ...EventType[]];
}

/** The part before the dot: `message` names all types of messages. */
export type EventGroup = EventType extends `${infer Group}.${string}` ? Group : never;
export type EventSelector = EventType | EventGroup;

const groupOf = (type: EventType): EventGroup => type.replace(/\..*$/, '') as EventGroup;

/** Every group, in the order of `types`. */
export const eventGroups: readonly EventGroup[] = [...new Set(eventTypes.map(groupOf))];

/** Returns the sentence that refuses an unbuilt type or group; undefined for any other selector. */
export function notPublishedYet(selector: string): string | undefined {
  const planned = Object.keys(unbuiltTypes).some((type) => type === selector || type.startsWith(`${selector}.`));
  return planned ? `${selector} is not published yet: the part it belongs to is not built. Leave it out.` : undefined;
}

/** Returns whether the selector, a group or an exact type, covers this type. */
export function matchesType(selector: string, type: EventType): boolean {
  return selector === type || type.startsWith(`${selector}.`);
}

/**
 * A fact that is published to a tenant. `data` is the view that GET shows, without texts. Texts are kept only as long as their message, so they are
 * filled in each time the event is shown or sent. `content` is the id of the message or inbound batch that has them. `chat` is the address of the
 * other party, for endpoints with `ordered`. `logged` says whether the log keeps the event. `at` is epoch milliseconds.
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
