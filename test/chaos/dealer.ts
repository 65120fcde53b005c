import { setTimeout as sleep } from 'node:timers/promises';
import type { AwsService } from '../harness/fault-answers.ts';
import type { FaultKind } from '../harness/fault-proxy.ts';
import type { Mischief } from './mischief.ts';
import type { Seeded } from './seeded.ts';

interface Card {
  /** Ends or freezes a host. */
  host?: true;
  play(can: Mischief, random: Seeded): Promise<string>;
}

const services: readonly AwsService[] = ['dynamodb', 'sqs', 's3'];

/** Each such request keeps its caller waiting for as long as it has patience. */
const silent: readonly FaultKind[] = ['hang', 'swallow-answer'];

/** One burst of one fault at one service or at all. */
const burst = (kind: FaultKind): Card => ({
  play(can, random) {
    const hit = random.next() < 0.25 ? services : [random.pick(services)];
    const share = silent.includes(kind) ? 0.1 + random.next() * 0.2 : 0.2 + random.next() * 0.6;
    return can.disturb(hit, [kind], random.whole(1000, 4000), share);
  },
});

const close = (code: number): Card => ({
  play: (can, random) => can.closeConnections(code, random.next() * 0.3),
});

/** Everything that can happen, as often as it is in the deck. */
const deck: readonly Card[] = [
  { host: true, play: (can) => can.killHost() },
  { host: true, play: (can, random) => can.killSlowHost(random.pick(['dynamodb', 's3'])) },
  { host: true, play: (can) => can.endHost() },
  { host: true, play: (can) => can.freezeHost(20_000) },
  { host: true, play: (can, random) => can.restartAll(random.pick(['SIGKILL', 'SIGTERM'])) },
  { play: (can, random) => can.freezeHost(random.whole(1000, 5000)) },
  { play: (can) => can.killFunctions() },
  { play: (can) => can.killFunctions() },
  { play: (can, random) => can.dropConnections(random.next() * 0.5) },
  { play: (can, random) => can.dropConnections(random.next() * 0.2) },
  ...[408, 428, 500, 503, 515].map(close),
  { play: (can) => can.replaceConnection() },
  { play: (can, random) => can.withholdAcks(random.whole(1, 6)) },
  { play: (can, random) => can.delayAcks(random.whole(1, 6), random.whole(500, 15_000)) },
  { play: (can) => can.delayAcks(3, 25_000) },
  { play: (can, random) => can.errorAcks(random.whole(1, 4), random.pick([479, 500, 503])) },
  { play: (can, random) => can.strangersWrite(random.whole(1, 5)) },
  { play: (can, random) => can.strangersWrite(random.whole(1, 5)) },
  { play: (can, random) => can.pauseContract(random.whole(3000, 15_000)) },
  { play: (can, random) => can.pauseContract(random.whole(3000, 15_000)) },
  burst('error'),
  burst('error'),
  burst('throttle'),
  burst('hang'),
  burst('swallow-answer'),
  burst('drop'),
  burst('lose-answer'),
  burst('lose-answer'),
  burst('delay'),
];

/** Hosts go one by one, but for this share of the times. */
const overlapping = 0.15;
/** The last things are dealt so long before the end, so that most have passed by then. */
const leadOutMs = 25_000;
const longFreezeMs = 60_000;

/** Deals the shuffled deck, again and again, one card every few seconds, until the time is over; and one freeze of a minute. */
export async function dealAll(
  can: Mischief,
  begin: (what: Promise<string>) => void,
  random: Seeded,
  forMs: number,
): Promise<void> {
  const endsMs = performance.now() + forMs;
  const left: Card[] = [];
  if (forMs >= 3 * longFreezeMs) left.push({ host: true, play: () => can.freezeHost(longFreezeMs) });
  for (;;) {
    await sleep(random.whole(1500, 5000));
    const remainingMs = endsMs - performance.now();
    if (remainingMs <= 0) return;
    if (remainingMs < Math.min(leadOutMs, forMs / 4)) continue;
    if (left.length < 4) left.unshift(...random.sample(deck, deck.length));
    const overlap = random.next() < overlapping;
    const at = left.findLastIndex(({ host }) => host !== true || overlap || !can.busy());
    if (at < 0) continue;
    const [card] = left.splice(at, 1);
    if (card !== undefined) begin(card.play(can, random));
  }
}
