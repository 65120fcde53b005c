import { median, verdict } from './verdict.ts';

export const roundNames = ['first contact', 'known number'] as const;
type RoundName = (typeof roundNames)[number];

/** Calls by `service Command`. */
export type CallCounts = Map<string, number>;

export interface Round {
  name: RoundName;
  seconds: number;
  cpuMs: number;
}

export interface HostRound extends Round {
  calls: CallCounts;
  /** Of the system's monotonic clock, in microseconds. */
  fromUs: number;
  toUs: number;
}

export interface Rounds {
  host: HostRound[];
  tuned: Round[];
  untuned: Round[];
}

/** Of host CPU to tuned Baileys' CPU, for the same messages. */
const aimedRatio = 3;

/** Prints the medians, the calls and the ratios; answers whether the aim is reached. */
export function report(rounds: Rounds, { accounts, messages }: { accounts: number; messages: number }): boolean {
  const of = (from: Round[], name: RoundName): Round[] => from.filter((round) => round.name === name);
  const cpuEach = (from: Round[]): number => median(from.map(({ cpuMs }) => cpuMs / messages));
  const processes = [
    ['host', rounds.host],
    ['tuned bare Baileys', rounds.tuned],
    ['bare Baileys at its defaults', rounds.untuned],
  ] as const;
  console.log(`\n${accounts} account(s), ${messages} messages a round`);
  console.table(
    processes
      .filter(([, all]) => all.length > 0)
      .flatMap(([process, all]) =>
        roundNames.map((name) => ({
          process,
          messages: name,
          'CPU ms/message': cpuEach(of(all, name)).toFixed(2),
          'in the rounds': of(all, name)
            .map(({ cpuMs }) => (cpuMs / messages).toFixed(2))
            .join(' '),
          'messages/s': median(of(all, name).map(({ seconds }) => messages / seconds)).toFixed(0),
        })),
      ),
  );
  printCalls(rounds.host, messages);
  const ratios = roundNames.map((name) => {
    const ratio = cpuEach(of(rounds.host, name)) / cpuEach(of(rounds.tuned, name));
    return verdict(`${accounts} account(s), ${name}: CPU of the host to tuned bare Baileys`, ratio, aimedRatio, ' x');
  });
  if (rounds.untuned.length > 0) {
    for (const name of roundNames) {
      const ratio = cpuEach(of(rounds.host, name)) / cpuEach(of(rounds.untuned, name));
      console.log(`        ${name}: ${ratio.toFixed(2)} x Baileys at its defaults`);
    }
  }
  return ratios.every(Boolean);
}

function printCalls(rounds: HostRound[], messages: number): void {
  const perMessage = (name: RoundName, command: string | undefined): string => {
    const own = rounds.filter((round) => round.name === name);
    const counts = own.map(({ calls }) =>
      command === undefined ? [...calls.values()].reduce((sum, n) => sum + n, 0) : (calls.get(command) ?? 0),
    );
    return (median(counts) / messages).toFixed(3);
  };
  const commands = [...new Set(rounds.flatMap(({ calls }) => [...calls.keys()]))].sort();
  console.log("The host's calls to AWS per message, median round");
  console.table(
    [...commands, undefined].map((command) => ({
      call: command ?? 'all',
      ...Object.fromEntries(roundNames.map((name) => [name, perMessage(name, command)])),
    })),
  );
}
