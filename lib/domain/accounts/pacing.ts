/**
 * Pacing of one account: when the next send may be on the wire.
 * The state advances with the claim, before the send, so neither a crash nor a second delivery gains a send.
 *
 *   last wire                        startAt    + delay      + typing = wireAt
 *   |<------------- gap drawn with the last send (+ rest) ----------->|
 *
 * The owner asks `nextWireAt`, receives from the lane `leadMs` before it, and plans with the text in hand.
 */

/** A policy is the account's own numbers over `defaultPolicy`; `undefined` policy means unpaced (useLimits:false). */
export interface PacingPolicy {
  /** At most so many sends in any 60 s; null: no such cap. */
  perMinute: number | null;
  /** Wire to wire, uniformly random between the two. */
  gapMs: [number, number];
  /** After so many sends a rest is added to the gap; null: never. */
  restEvery: number | null;
  restMs: [number, number];
  /** The cap a warmed-up account ends with; null: no cap a day. */
  dayCap: number | null;
  /** false starts at 500 a day. */
  warmUp: boolean;
  /** Waiting before typing; falls inside the gap. */
  delayMs: [number, number];
}

/** What pacing remembers of an account: part of its hot item, so each field is short. Times are epoch milliseconds. */
export interface PaceState {
  /** The planned wire time of the last send. */
  lastAt?: number;
  /** Earliest wire time of the next send: gap and rest already drawn. */
  nextAt?: number;
  sinceRest: number;
  /** Wire times of the last minute's sends, oldest first; empty where the gap already implies the cap. */
  minute: number[];
  /** How many sends the last entry of `minute` stands for, where the cap is so high that entries stand for several. */
  minuteOpen?: number;
  /** 24-hour periods since the account was linked, and the sends in the present one. */
  day: number;
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

/** Before the first send. */
export const initialPace: PaceState = { sinceRest: 0, minute: [], day: 0, dayCount: 0 };

const minuteMs = 60_000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const typingMsPerCharacter = 40;
const typingBoundsMs: [number, number] = [1000, 5000];
/** Entries `minute` may have: 25 keep the account's hot item below 1 KB. */
const maxMinuteEntries = 25;
/** What an unpaced account is taken to need for a message, in estimates and windows. */
const unpacedIntervalMs = 20;

/** The policy of an account: its own numbers over `defaultPolicy`; undefined with `useLimits: false`. */
export function policyOf(account: { useLimits: boolean; pacing: Partial<PacingPolicy> }): PacingPolicy | undefined {
  return account.useLimits ? { ...defaultPolicy, ...account.pacing } : undefined;
}

/** A number of a policy that cannot be used. */
export interface PolicyProblem {
  field: keyof PacingPolicy;
  message: string;
}

/** What is wrong with an account's own numbers; fields left out are fine. Empty: nothing. */
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

/** Mean wire-to-wire time in ms, day caps aside; the default is 20.5 s, about 175 an hour. */
export function meanIntervalMs(policy: PacingPolicy | undefined): number {
  if (policy === undefined) return unpacedIntervalMs;
  const rest = policy.restEvery === null ? 0 : mean(policy.restMs) / policy.restEvery;
  const cap = policy.perMinute === null ? 0 : minuteMs / policy.perMinute;
  return Math.max(mean(policy.gapMs) + rest, cap, unpacedIntervalMs);
}

/** Sends allowed in the 24-hour period `day` (0 is the first) since the account was linked. */
export function dayCapOn(policy: PacingPolicy, day: number): number {
  if (policy.dayCap === null) return Number.POSITIVE_INFINITY;
  if (day >= 90) return policy.dayCap;
  if (day >= 30) return Math.min(750, policy.dayCap);
  const warm = policy.warmUp && day < 10 ? Math.floor(20 * 1.4 ** Math.max(0, day) + 1e-9) : 500;
  return Math.min(warm, 500, policy.dayCap);
}

/**
 * How many messages to take from a lane at once: as many as can be on the wire within `withinMs` even when each gap is drawn long, and none from
 * behind a rest. At least one; unpaced, ten.
 */
export function sendsAhead(policy: PacingPolicy | undefined, state: PaceState, withinMs: number): number {
  if (policy === undefined) return 10;
  const untilRest = policy.restEvery === null ? 10 : policy.restEvery - (state.sinceRest % policy.restEvery);
  const perMinute = policy.perMinute === null ? 0 : minuteMs / policy.perMinute;
  const inTime = 1 + Math.floor(withinMs / Math.max(policy.gapMs[1], perMinute, unpacedIntervalMs));
  return Math.max(1, Math.min(10, untilRest, inTime));
}

/** The 24-hour period `atMs` falls in; before the linking it is the first. */
export function dayOf(atMs: number, linkedAtMs: number): number {
  return Math.max(0, Math.floor((atMs - linkedAtMs) / dayMs));
}

/** The longest time from `startAt` to the wire: how long before `nextWireAt` the owner receives from the lane. */
export function leadMs(policy: PacingPolicy | undefined): number {
  if (policy === undefined) return 0;
  return Math.min(policy.delayMs[1] + typingBoundsMs[1], policy.gapMs[1]);
}

/** Earliest wire time of the next send (epoch ms, at least `nowMs`): gap and rest, minute window, day cap. */
export function nextWireAt(
  policy: PacingPolicy | undefined,
  state: PaceState,
  at: { nowMs: number; linkedAtMs: number },
): number {
  if (policy === undefined) return at.nowMs;
  const { lastAt } = state;
  // No nextAt after a lastAt: the limits were off until now.
  const afterGap = state.nextAt ?? (lastAt === undefined ? at.nowMs : lastAt + policy.gapMs[0]);
  let earliest = Math.max(at.nowMs, afterGap, lastAt ?? 0);
  const entry = entrySize(policy);
  if (entry !== undefined && policy.perMinute !== null && !fitsOpenEntry(state, entry)) {
    const blocking = state.minute.at(-Math.floor(policy.perMinute / entry));
    if (blocking !== undefined) earliest = Math.max(earliest, blocking + minuteMs);
  }
  const day = dayOf(earliest, at.linkedAtMs);
  const used = day === state.day ? state.dayCount : 0;
  return used < dayCapOn(policy, day) ? earliest : at.linkedAtMs + (day + 1) * dayMs;
}

/** One send: wait until `startAt`, then `delayMs`, then type for `typingMs`, then be on the wire at `wireAt`. */
export interface PacePlan {
  startAt: number;
  delayMs: number;
  typingMs: number;
  wireAt: number;
  /** The state to store with the claim. */
  next: PaceState;
}

/**
 * Plans one send. On time, `wireAt` is `nextWireAt`, and delay and typing are cut to what is left of the gap. A caller
 * late by less than the gap's range stays inside it; one later still adds as much delay and typing as it was late.
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
    dayCount: day === state.day ? state.dayCount + 1 : 1,
  };
}

/** The state after the planned send went out later than planned: the gap counts from the wire, not from the plan. */
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

/** The ramp after a reconnect: the next send waits one drawn gap at least. */
export function afterReconnect(
  policy: PacingPolicy | undefined,
  state: PaceState,
  at: { nowMs: number; random: () => number },
): PaceState {
  if (policy === undefined) return state;
  return { ...state, nextAt: Math.max(state.nextAt ?? 0, at.nowMs + draw(policy.gapMs, at.random)) };
}

/** How long delay and typing may take together without stretching the gap. */
function room(policy: PacingPolicy, state: PaceState, nowMs: number, earliest: number): number {
  if (nowMs < earliest) return earliest - nowMs;
  if (state.lastAt === undefined) return Number.POSITIVE_INFINITY;
  const lateMs = nowMs - (state.nextAt ?? state.lastAt);
  return Math.max(lateMs, state.lastAt + policy.gapMs[1] - nowMs);
}

function unpaced(state: PaceState, nowMs: number, linkedAtMs: number): PaceState {
  const day = dayOf(nowMs, linkedAtMs);
  const dayCount = day === state.day ? state.dayCount + 1 : 1;
  return { lastAt: nowMs, sinceRest: state.sinceRest, minute: [], day, dayCount };
}

/** Sends an entry of `minute` stands for; undefined where the gap implies the cap (half-open windows of 60 s). */
function entrySize(policy: PacingPolicy): number | undefined {
  const { perMinute, gapMs } = policy;
  if (perMinute === null || gapMs[0] * perMinute >= minuteMs) return undefined;
  return Math.ceil(perMinute / maxMinuteEntries);
}

function fitsOpenEntry(state: PaceState, entry: number): boolean {
  return state.minute.length > 0 && (state.minuteOpen ?? 1) < entry;
}

/**
 * An entry is the time of its last send, so no send is older than its entry: a window of 60 s that touches one more
 * entry than allowed cannot exist, whatever the entries' sizes.
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
