/**
 * Pacing of one account: when its next message may be sent (its wire time).
 * The state advances with the claim, before the send. So neither a crash nor a repeated delivery of an entry allows an additional send.
 *
 *   last wire                        startAt    + delay      + typing = wireAt
 *   |<------------- gap drawn with the last send (+ rest) ----------->|
 *
 * The owner calls `nextWireAt`, receives from the lane `leadMs` before that time, and calls `plan` when it knows the text.
 */

/** The limits of an account: its own numbers, and `defaultPolicy` for the others. An undefined policy means no pacing (`useLimits: false`). */
export interface PacingPolicy {
  /** Most sends in any 60 s. Null: no such limit. */
  perMinute: number | null;
  /** Time from one wire time to the next, uniformly random between the two values. */
  gapMs: [number, number];
  /** After this many sends a rest is added to the gap. Null: no rests. */
  restEvery: number | null;
  restMs: [number, number];
  /** Most sends per day after the warm-up, from day 90. Null: no limit per day, also during the warm-up. */
  dayCap: number | null;
  /** False: an account starts at 500 a day. */
  warmUp: boolean;
  /** Wait before typing, part of the gap. */
  delayMs: [number, number];
}

/** The state of pacing, part of the account's hot item, so that it must be small. Times are epoch milliseconds. */
export interface PaceState {
  /** The planned wire time of the last send. */
  lastAt?: number;
  /** The earliest wire time of the next send, with its random gap and rest. */
  nextAt?: number;
  sinceRest: number;
  /** Wire times of the sends of the last minute, oldest first. Empty if the gap alone keeps `perMinute`. */
  minute: number[];
  /** The number of sends in the last entry of `minute`. Only with a high `perMinute`, when an entry counts several sends. */
  minuteOpen?: number;
  /** The 24-hour period of the last send, counted from 0 since the account was linked. */
  day: number;
  /** The number of sends in that period. */
  dayCount: number;
}

export const defaultPolicy: PacingPolicy = {
  perMinute: 20,
  gapMs: [3000, 8000],
  restEvery: 5,
  restMs: [30_000, 120_000],
  dayCap: 1000,
  warmUp: true,
  delayMs: [500, 2000],
};

/** The state before the first send. */
export const initialPace: PaceState = { sinceRest: 0, minute: [], day: 0, dayCount: 0 };

const minuteMs = 60_000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const typingMsPerCharacter = 40;
const typingBoundsMs: [number, number] = [1000, 5000];
/** Most entries of `minute`. With 25 the account's hot item stays below 1 KB. */
const maxMinuteEntries = 25;
/** The time for a message of an unpaced account, in estimates and windows. */
const unpacedIntervalMs = 20;

/** Returns the policy of an account: its own numbers, and `defaultPolicy` for the others; undefined with `useLimits: false`. */
export function policyOf(account: { useLimits: boolean; pacing: Partial<PacingPolicy> }): PacingPolicy | undefined {
  return account.useLimits ? { ...defaultPolicy, ...account.pacing } : undefined;
}

/** A field of a policy with an invalid value. `message` says what is allowed. */
export interface PolicyProblem {
  field: keyof PacingPolicy;
  message: string;
}

/** Returns the invalid fields of an account's own policy; empty if all are valid. Missing fields are valid. */
export function checkPolicy(partial: Partial<PacingPolicy>): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const check = (field: keyof PacingPolicy, ok: boolean, message: string) => {
    if (partial[field] !== undefined && !ok) problems.push({ field, message });
  };
  const count = (value: number | null | undefined, max: number) =>
    value === null || (value !== undefined && Number.isInteger(value) && value >= 1 && value <= max);
  const range = (value: readonly number[] | undefined, maxMs: number) => {
    const [low, high, ...more] = value ?? [];
    if (low === undefined || high === undefined || more.length > 0) return false;
    return Number.isInteger(low) && Number.isInteger(high) && low >= 0 && low <= high && high <= maxMs;
  };
  check('perMinute', count(partial.perMinute, 6000), 'null or a whole number from 1 to 6000');
  check('gapMs', range(partial.gapMs, hourMs), '[min, max] in whole ms, 0 <= min <= max <= 3600000');
  check('restEvery', count(partial.restEvery, 10_000), 'null or a whole number from 1 to 10000');
  check('restMs', range(partial.restMs, dayMs), '[min, max] in whole ms, 0 <= min <= max <= 86400000');
  check('dayCap', count(partial.dayCap, 1_000_000), 'null or a whole number from 1 to 1000000');
  check('warmUp', typeof partial.warmUp === 'boolean', 'true or false');
  check('delayMs', range(partial.delayMs, minuteMs), '[min, max] in whole ms, 0 <= min <= max <= 60000');
  return problems;
}

/** Returns the mean time (ms) between two sends, without day caps. The default is 20.5 s, about 175 sends an hour. */
export function meanIntervalMs(policy: PacingPolicy | undefined): number {
  if (policy === undefined) return unpacedIntervalMs;
  const rest = policy.restEvery === null ? 0 : mean(policy.restMs) / policy.restEvery;
  const cap = policy.perMinute === null ? 0 : minuteMs / policy.perMinute;
  return Math.max(mean(policy.gapMs) + rest, cap, unpacedIntervalMs);
}

/** Returns how many sends are allowed in a 24-hour period. `day` counts from 0 since the account was linked. */
export function dayCapOn(policy: PacingPolicy, day: number): number {
  if (policy.dayCap === null) return Number.POSITIVE_INFINITY;
  if (day >= 90) return policy.dayCap;
  if (day >= 30) return Math.min(750, policy.dayCap);
  const warm = policy.warmUp && day < 10 ? Math.floor(20 * 1.4 ** Math.max(0, day) + 1e-9) : 500;
  return Math.min(warm, 500, policy.dayCap);
}

/** Returns how many messages were sent in a 24-hour period, counted as in `dayOf`. It must not be before that of the last send. */
export function sentOn(day: number, state: Pick<PaceState, 'day' | 'dayCount'>): number {
  return day === state.day ? state.dayCount : 0;
}

/**
 * Returns how many messages to take from a lane at once, 1 to 10. All of them can be sent within `withinMs` even with the longest gaps, and
 * before the next rest. Without pacing, 10.
 */
export function sendsAhead(policy: PacingPolicy | undefined, state: PaceState, withinMs: number): number {
  if (policy === undefined) return 10;
  const untilRest = policy.restEvery === null ? 10 : policy.restEvery - (state.sinceRest % policy.restEvery);
  const perMinute = policy.perMinute === null ? 0 : minuteMs / policy.perMinute;
  const inTime = 1 + Math.floor(withinMs / Math.max(policy.gapMs[1], perMinute, unpacedIntervalMs));
  return Math.max(1, Math.min(10, untilRest, inTime));
}

/** Returns the 24-hour period of a time, counted from 0; 0 for times before the link. */
export function dayOf(atMs: number, linkedAtMs: number): number {
  return Math.max(0, Math.floor((atMs - linkedAtMs) / dayMs));
}

/** Returns the longest time from `startAt` to the wire time. The owner receives from the lane this long before `nextWireAt`. */
export function leadMs(policy: PacingPolicy | undefined): number {
  if (policy === undefined) return 0;
  return Math.min(policy.delayMs[1] + typingBoundsMs[1], policy.gapMs[1]);
}

/** Returns the earliest wire time of the next send (epoch ms, at least `nowMs`), by gap and rest, `perMinute` and day cap. */
export function nextWireAt(
  policy: PacingPolicy | undefined,
  state: PaceState,
  at: { nowMs: number; linkedAtMs: number },
): number {
  if (policy === undefined) return at.nowMs;
  const { lastAt } = state;
  // `lastAt` without `nextAt`: pacing was off until now.
  const afterGap = state.nextAt ?? (lastAt === undefined ? at.nowMs : lastAt + policy.gapMs[0]);
  let earliest = Math.max(at.nowMs, afterGap, lastAt ?? 0);
  const entry = entrySize(policy);
  if (entry !== undefined && policy.perMinute !== null && !fitsOpenEntry(state, entry)) {
    const blocking = state.minute.at(-Math.floor(policy.perMinute / entry));
    if (blocking !== undefined) earliest = Math.max(earliest, blocking + minuteMs);
  }
  const day = dayOf(earliest, at.linkedAtMs);
  const used = sentOn(day, state);
  return used < dayCapOn(policy, day) ? earliest : at.linkedAtMs + (day + 1) * dayMs;
}

/** The plan of one send: wait until `startAt`, then for `delayMs`, type for `typingMs`, and send at `wireAt`. */
export interface PacePlan {
  startAt: number;
  delayMs: number;
  typingMs: number;
  wireAt: number;
  /** The state to store with the claim. */
  next: PaceState;
}

/**
 * Plans one send. If the caller is on time, `wireAt` is `nextWireAt`, and delay and typing are shortened to fit into the gap. A late caller still
 * sends within the longest gap if it can; otherwise delay and typing take at most as long as it is late.
 */
export function plan(
  policy: PacingPolicy | undefined,
  state: PaceState,
  at: { nowMs: number; linkedAtMs: number; textLength: number; random: () => number },
): PacePlan {
  const { nowMs, linkedAtMs, random } = at;
  if (policy === undefined) {
    return { startAt: nowMs, delayMs: 0, typingMs: 0, wireAt: nowMs, next: unpaced(state, nowMs, linkedAtMs) };
  }
  const earliest = nextWireAt(policy, state, { nowMs, linkedAtMs });
  const delay = draw(policy.delayMs, random);
  const typing = Math.min(Math.max(at.textLength * typingMsPerCharacter, typingBoundsMs[0]), typingBoundsMs[1]);
  const lead = Math.min(delay + typing, leadMs(policy), room(policy, state, nowMs, earliest));
  const delayMs = Math.round((delay / (delay + typing)) * lead);
  const wireAt = Math.max(earliest, nowMs + lead);
  const next = advance(policy, state, { wireAt, linkedAtMs, random });
  return { startAt: wireAt - lead, delayMs, typingMs: lead - delayMs, wireAt, next };
}

function advance(
  policy: PacingPolicy,
  state: PaceState,
  at: { wireAt: number; linkedAtMs: number; random: () => number },
): PaceState {
  const { wireAt, random } = at;
  const restDue = policy.restEvery !== null && state.sinceRest + 1 >= policy.restEvery;
  const gap = draw(policy.gapMs, random) + (restDue ? draw(policy.restMs, random) : 0);
  const day = dayOf(wireAt, at.linkedAtMs);
  return {
    lastAt: wireAt,
    nextAt: wireAt + gap,
    sinceRest: restDue ? 0 : state.sinceRest + 1,
    ...minuteAfter(policy, state, wireAt),
    day,
    dayCount: sentOn(day, state) + 1,
  };
}

/** Returns the state after a send. If it was later than planned, the gap counts from the actual wire time. */
export function wentOut(state: PaceState, wireAtMs: number): PaceState {
  const lateMs = wireAtMs - (state.lastAt ?? wireAtMs);
  if (lateMs <= 0) return state;
  return {
    ...state,
    lastAt: wireAtMs,
    ...(state.nextAt === undefined ? {} : { nextAt: state.nextAt + lateMs }),
    minute: state.minute.map((entry) => (entry === state.lastAt ? wireAtMs : entry)),
  };
}

/** Returns the state after a reconnect. The next send waits for at least one random gap. */
export function afterReconnect(
  policy: PacingPolicy | undefined,
  state: PaceState,
  at: { nowMs: number; random: () => number },
): PaceState {
  if (policy === undefined) return state;
  return { ...state, nextAt: Math.max(state.nextAt ?? 0, at.nowMs + draw(policy.gapMs, at.random)) };
}

/** Returns how long delay and typing together may take. */
function room(policy: PacingPolicy, state: PaceState, nowMs: number, earliest: number): number {
  if (nowMs < earliest) return earliest - nowMs;
  if (state.lastAt === undefined) return Number.POSITIVE_INFINITY;
  const lateMs = nowMs - (state.nextAt ?? state.lastAt);
  return Math.max(lateMs, state.lastAt + policy.gapMs[1] - nowMs);
}

function unpaced(state: PaceState, nowMs: number, linkedAtMs: number): PaceState {
  const day = dayOf(nowMs, linkedAtMs);
  const dayCount = sentOn(day, state) + 1;
  return { lastAt: nowMs, sinceRest: state.sinceRest, minute: [], day, dayCount };
}

/** Returns how many sends an entry of `minute` counts; undefined if the gap alone keeps `perMinute` (half-open windows of 60 s). */
function entrySize(policy: PacingPolicy): number | undefined {
  const { perMinute, gapMs } = policy;
  if (perMinute === null || gapMs[0] * perMinute >= minuteMs) return undefined;
  return Math.ceil(perMinute / maxMinuteEntries);
}

function fitsOpenEntry(state: PaceState, entry: number): boolean {
  return state.minute.length > 0 && (state.minuteOpen ?? 1) < entry;
}

/**
 * Returns the entries after a send. An entry has the time of its last send, so it never ends too early. So no window of 60 s has more sends than
 * allowed, whatever the sizes of its entries are.
 */
function minuteAfter(
  policy: PacingPolicy,
  state: PaceState,
  wireAt: number,
): { minute: number[]; minuteOpen?: number } {
  const entry = entrySize(policy);
  if (entry === undefined) return { minute: [] };
  const fits = fitsOpenEntry(state, entry);
  const kept = (fits ? state.minute.slice(0, -1) : state.minute).filter((at) => at > wireAt - minuteMs);
  const minute = [...kept, wireAt].slice(-maxMinuteEntries);
  return entry === 1 ? { minute } : { minute, minuteOpen: fits ? (state.minuteOpen ?? 1) + 1 : 1 };
}

function draw([low, high]: readonly [number, number], random: () => number): number {
  return low + Math.floor(random() * (high - low + 1));
}

function mean([low, high]: readonly [number, number]): number {
  return (low + high) / 2;
}
